"""One server process, tied to ours: it ends when ours ends, however that happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL, Signals
from typing import NamedTuple

_LAUNCH = Path(__file__).with_name("launch.py")


class Account(NamedTuple):
    """Who a server runs as."""

    uid: int
    gid: int

    @classmethod
    def ours(cls) -> Account:
        """The account this process runs as."""
        return cls(os.getuid(), os.getgid())


class ServerProcess:
    """A child that gets `stop_signal` when this process ends, and whose end is noticed at once.

    The kernel ties a child to the *thread* that started it, so each child has a thread of ours that starts it and
    stays until it ends. That makes it safe to start a server from a pool thread (`asyncio.to_thread`).
    """

    def __init__(self, command: Sequence[str], *, log: Path, account: Account, stop_signal: Signals) -> None:
        self._command = command
        self._log = log
        self._account = account
        self._stop_signal = stop_signal
        self._child: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._begun = threading.Event()
        self.exited = threading.Event()

    def start(self, *, inherit: Sequence[int] = ()) -> None:
        """Start the child; `inherit` names the file descriptors it keeps open."""
        threading.Thread(target=self._keep, args=(tuple(inherit),), name="embedded-server", daemon=True).start()
        self._begun.wait()
        if self._error is not None:
            raise self._error

    @property
    def pid(self) -> int:
        """The process id of the server itself, not of a wrapper."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """As `subprocess` gives it, negative for a signal; None while the child runs."""
        return self._started().returncode

    def stop(self, grace_seconds: float) -> None:
        """Ask the server to shut down, and kill it when it has not done so in time."""
        self._started().send_signal(self._stop_signal)
        if not self.exited.wait(grace_seconds):
            self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL."""
        self._started().send_signal(SIGKILL)
        self.exited.wait()

    def _keep(self, inherit: tuple[int, ...]) -> None:
        try:
            self._child = self._spawn(inherit)
        except OSError as error:
            self._error = error
            return
        finally:
            self._begun.set()
        self._child.wait()
        self.exited.set()

    def _spawn(self, inherit: tuple[int, ...]) -> subprocess.Popen[bytes]:
        tie = (os.getpid(), int(self._stop_signal), *self._account)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCH), *map(str, tie), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=inherit,
                # Away from the terminal's Ctrl-C: the servers must outlive the processes that are draining into them.
                start_new_session=True,
                # Settings meant for other servers (PGPORT, PGDATA) and translated messages stay out.
                env={"PATH": os.defpath, "LC_ALL": "C"},
            )

    def _started(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "start() comes first"
        return self._child
