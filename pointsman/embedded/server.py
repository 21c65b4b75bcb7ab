"""What the embedded servers have in common: a life from `start` to `stop`, on a loopback port, in one directory."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from pathlib import Path
from signal import Signals
from typing import ClassVar, Self

from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.directory import DataDirectory
from pointsman.embedded.process import Account, ServerProcess

HOST = "127.0.0.1"

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.005
_PORT_TRIES = 5
_LAST_WORDS = 3


class EmbeddedServer(ABC):
    """A database server that lives as long as this process, and whose data outlives both.

    `start`, `stop` and `restart` block (for well under a second, as a rule); from async code call them through
    `asyncio.to_thread`. When this process ends without `stop`, even by SIGKILL, the server shuts down by itself.
    """

    name: ClassVar[str]
    _stop_signal: ClassVar[Signals]
    _room: ClassVar[int]

    def __init__(self, data_dir: Path, *, port: int = 0) -> None:
        self.directory = DataDirectory(data_dir, self.name)
        self.log_path = self.directory.path / f"{self.name.lower()}.log"
        self._port = port
        self._process: ServerProcess | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; one that was picked stays the same over restarts of this object."""
        self._started()
        return self._port

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and not self._process.exited.is_set()

    def start(self) -> None:
        """Start the server and return when it answers; nothing happens when it is running already.

        Raises:
            ServerUnavailable: SRV020 to SRV028: it cannot run here. Nothing of it is left running.
        """
        if self.running:
            return
        self.directory.prepare(self._room)
        with self.directory.locked() as lock:
            self._prepare(lock)
            self._launch(lock)

    def stop(self) -> None:
        """Shut the server down in good order; its data stays. Nothing happens when it is not running."""
        if self._process is not None and self.running:
            self._process.stop(_STOP_SECONDS)

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        if self._process is not None and self.running:
            self._process.kill()

    def restart(self) -> None:
        """Stop and start again, on the same port and data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self, lock: int) -> None:
        """Make the directory ready for a start. Whatever is run for that has to inherit `lock`."""

    @abstractmethod
    def _configure(self, port: int) -> list[str]:
        """The command that starts the server on `port`."""

    @abstractmethod
    def _answers(self, process: ServerProcess, port: int) -> bool:
        """Whether this very process serves requests now."""

    def _account(self) -> Account:
        return Account.ours()

    def _started(self) -> ServerProcess:
        if self._process is None:
            raise RuntimeError(f"the embedded {self.name} was not started")
        return self._process

    def _launch(self, lock: int) -> None:
        """Start on the port asked for, or on free ones until nobody else was quicker to take it."""
        tries = 1 if self._port else _PORT_TRIES
        for left in reversed(range(tries)):
            port = self._port or _free_port()
            try:
                self._process = self._launch_on(port, lock)
                self._port = port
                return
            except ServerUnavailable as error:
                if error.code != "SRV021" or not left:
                    raise

    def _launch_on(self, port: int, lock: int) -> ServerProcess:
        if _is_taken(port):
            raise self._port_taken(port)
        process, log_begin = self._spawn(self._configure(port), lock)
        try:
            self._wait_for_answer(process, log_begin, port)
        except BaseException:
            process.kill()
            raise
        return process

    def _wait_for_answer(self, process: ServerProcess, log_begin: int, port: int) -> None:
        deadline = monotonic() + _START_SECONDS
        while not self._answers(process, port):
            if process.exited.wait(_POLL_SECONDS):
                raise self._died(process, log_begin, port)
            if monotonic() > deadline:
                raise self._silent()

    def _run_to_its_end(self, command: list[str], lock: int) -> None:
        """Run a program that prepares the data; it counts as part of the server's start."""
        process, log_begin = self._spawn(command, lock)
        try:
            ended = process.exited.wait(_START_SECONDS)
        finally:
            process.kill()
        if not ended:
            raise self._silent()
        if process.exit_code != 0:
            raise self._died(process, log_begin, self._port)

    def _spawn(self, command: list[str], lock: int) -> tuple[ServerProcess, int]:
        """The process, and where in the log its own words begin."""
        process = ServerProcess(command, log=self.log_path, account=self._account(), stop_signal=self._stop_signal)
        with self.directory.writing():
            log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
            process.start(inherit=[lock])
        return process, log_begin

    def _died(self, process: ServerProcess, log_begin: int, port: int) -> ServerUnavailable:
        words = self._last_words(log_begin)
        if "Address already in use" in words:
            return self._port_taken(port)
        if "No space left on device" in words:
            return self.directory.full()
        return ServerUnavailable(
            "SRV025",
            f"embedded {self.name}: it ended with exit code {process.exit_code} while starting in "
            f"{self.directory.path}; its last words: {words or '(none)'}. Nothing is running. The whole story is in "
            f"{self.log_path}.",
        )

    def _last_words(self, log_begin: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(log_begin)
            lines = log.read().decode(errors="replace").splitlines()
        return " | ".join([line.strip() for line in lines if line.strip()][-_LAST_WORDS:])

    def _port_taken(self, port: int) -> ServerUnavailable:
        return ServerUnavailable(
            "SRV021",
            f"embedded {self.name}: port {port} on {HOST} is taken by another process. The server was not started. "
            "Stop that process, or choose another port.",
        )

    def _silent(self) -> ServerUnavailable:
        return ServerUnavailable(
            "SRV026",
            f"embedded {self.name}: no answer within {_START_SECONDS:.0f} s of its start. It was stopped. See "
            f"{self.log_path}; a machine this busy, or a large data directory, may need a second start.",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # What the servers do too: a connection of an earlier server in TIME_WAIT does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
        return False
