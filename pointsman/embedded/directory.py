"""The directory in which an embedded server keeps everything: tested for writing, locked while in use, and private."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNLOCK_SECONDS = 10.0
_POLL_SECONDS = 0.01


class DataDirectory:
    """One server's directory. Every failure to use it is a `ServerUnavailable` that names it."""

    def __init__(self, path: Path, server: str) -> None:
        self.path = path.absolute()
        self._server = server

    def prepare(self, room: int) -> None:
        """Create the directory, and find out now, not in the middle of a run, whether `room` bytes fit into it."""
        with self.writing():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._reserve(room)

    def _reserve(self, room: int) -> None:
        with TemporaryFile(dir=self.path) as probe:
            os.posix_fallocate(probe.fileno(), 0, room)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the file system refuses into an error that says what to do."""
        try:
            yield
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> ServerUnavailable:
        why = os.strerror(error.errno or errno.EIO)
        if error.errno in _FULL:
            return self.full(why)
        return ServerUnavailable(
            "SRV022",
            f"embedded {self._server}: cannot write to {error.filename or self.path} ({why}). The server was not "
            "started. Give this account the right to write there, or choose another data directory.",
        )

    def full(self, why: str = os.strerror(errno.ENOSPC)) -> ServerUnavailable:
        """The error for a directory that takes no more data."""
        return ServerUnavailable(
            "SRV023",
            f"embedded {self._server}: no room left in {self.path} ({why}). The server was not started; what is "
            "stored there is unharmed. Free some space, or choose another data directory.",
        )

    def password(self) -> str:
        """The server's password, made on first use.

        Loopback is shared by every account of the machine, and whoever commands either server can write files as us.
        """
        file = self.path / "password"
        if not file.exists():
            self.write_private(file, secrets.token_urlsafe(24))
        with self.writing():
            return file.read_text()

    def write_private(self, file: Path, text: str) -> None:
        """Write a file for this account's eyes only; it is there whole or not at all."""
        draft = file.with_name(file.name + ".new")
        with self.writing():
            with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as stream:
                stream.write(text)
            draft.replace(file)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the directory for one server, as a file descriptor for that server to inherit.

        The lock belongs to the open file, so it lasts as long as any process of the server does: also when we are
        killed and the server is still shutting down, or when only backends of a killed Postgres are left.
        """
        with self.writing():
            lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            self._lock(lock)
            yield lock
        finally:
            os.close(lock)

    def _lock(self, lock: int) -> None:
        deadline = monotonic() + _UNLOCK_SECONDS
        while not _try_lock(lock):
            if (holder := _holder(lock)) or monotonic() > deadline:
                raise self._in_use(holder)
            time.sleep(_POLL_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _in_use(self, holder: int | None) -> ServerUnavailable:
        who = f"process {holder}" if holder else "a server that has not ended yet"
        return ServerUnavailable(
            "SRV027",
            f"embedded {self._server}: {self.path} is in use by {who}, and two servers on one directory would destroy "
            "it. This one was not started. Stop the other, or choose another data directory.",
        )


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> int | None:
    """The other live process that started the server here; None where the server has outlived it."""
    pid = int(os.pread(lock, 20, 0) or 0)
    return pid if pid not in (0, os.getpid()) and _is_alive(pid) else None


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # Nobody may have collected it yet: in many a container, process 1 never does.
    return state != "Z"
