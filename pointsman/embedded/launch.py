"""What a server's process runs before it becomes the server: `python launch.py PARENT SIGNAL UID GID COMMAND…`.

A script of its own, on the standard library alone, because the alternative (`preexec_fn`) runs Python between fork
and exec in a process whose other threads have vanished with whatever locks they held.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: Sequence[str]) -> None:
    """Take on the account asked for, tie this process to its parent, become the command."""
    parent, death_signal, uid, gid, *command = arguments
    if int(uid) != os.getuid():
        _become(int(uid), int(gid))
    # After the change of account, which would clear it.
    _die_with_parent(int(parent), int(death_signal))
    os.execv(command[0], command)


def _die_with_parent(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` to this process when the thread that started it ends.

    The one way that also works when the parent is killed with SIGKILL, which can run no handler and no `atexit`.
    """
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        raise SystemExit("the process that wanted this server is gone")


def _become(uid: int, gid: int) -> None:
    """Leave root for another account, keeping root's passage through directories closed to others.

    Postgres refuses to run as root. Its programs and its data often lie below directories that only root may enter
    (/root, a private temporary directory); opening those to everybody, as a chmod of the whole path would, is worse
    than one capability kept by one process.
    """
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if _keep_only(1 << _CAP_DAC_OVERRIDE):
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def _keep_only(mask: int) -> bool:
    """Reduce this process to the capabilities in `mask`; False where a container withholds them from root itself."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable: the low 32 capabilities, then the high ones.
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    return bool(_libc.capset(header, sets) == 0)


def _prctl(*arguments: int) -> None:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:5]]
    if _libc.prctl(*words) != 0:
        raise OSError(ctypes.get_errno(), f"prctl{arguments}")


if __name__ == "__main__":
    main(sys.argv[1:])
