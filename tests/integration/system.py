"""Everything that a user runs, as real processes on servers of its own, to be driven, killed and replaced by tests."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, NamedTuple, Self

import httpx

from pointsman.adapters.postgres.connect import close, connect
from pointsman.adapters.postgres.migrate import migrate
from pointsman.embedded import launch
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.settings import child_environment
from tests.support.cluster import redis_servers
from tests.support.processes import free_port
from tests.support.topology import Topology
from tests.support.waiting import eventually_sync

ROOT: Final = Path(__file__).parents[2]
HANDLERS: Final = "tests.integration.handlers"

MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "coordinator": ("coordinator",),
    "supervisor": ("supervisor",),
    "api": ("orchestrator_api",),
    "worker": ("pointsman.worker", HANDLERS),
}
"""What runs unless a test stops it: each role, and what `python -m` is given."""

MAX_SIGNAL_BYTES: Final = 11_000_000
LEASE_MS: Final = 1_500

QUICK: Final[Mapping[str, str]] = {
    "POINTSMAN_GRACE_PERIOD_MS": "500",
    "POINTSMAN_COORDINATOR_BLOCK_MS": "100",
    "POINTSMAN_COORDINATOR_CLAIM_IDLE_MS": "600",
    "POINTSMAN_COORDINATOR_MAX_SIGNAL_BYTES": str(MAX_SIGNAL_BYTES),
    "POINTSMAN_SUPERVISOR_LEASE_TTL_MS": "1000",
    # Above the two seconds that an acceptor may take to start its run.
    "POINTSMAN_SUPERVISOR_RECONCILE_INTERVAL_MS": "2500",
    "POINTSMAN_SUPERVISOR_STUCK_AFTER_MS": "1000",
    "POINTSMAN_WORKER_LEASE_MS": str(LEASE_MS),
    "POINTSMAN_WORKER_HEARTBEAT_MS": "300",
    # In the URL; named twice they would have to agree.
    "REDIS_HOST": "",
    "REDIS_PORT": "",
    "REDIS_PASSWORD": "",
}
"""Settings with which nothing takes long to be noticed."""


class Running(NamedTuple):
    """A process, and the port where it tells of itself."""

    process: subprocess.Popen[bytes]
    port: int
    is_standard: bool
    """Whether it runs with no settings but those of all."""


class System:
    """Both servers, and processes by name. A name is a role, or one followed by a number: `coordinator2`."""

    modules: ClassVar[Mapping[str, tuple[str, ...]]] = MODULES
    """What each role is."""

    def __init__(self, folder: Path, topology: Topology = "one") -> None:
        self._folder = folder
        self.redis = redis_servers(topology, folder / "redis")
        self.postgres = EmbeddedPostgres(folder / "postgres", port=free_port(), fsync=False)
        self._running: dict[str, Running] = {}
        self._api_port = free_port()
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._closing.enter_context(self.redis)
            self._closing.enter_context(self.postgres)
            self._closing.callback(self._kill_all)
            asyncio.run(self._prepare())
            self.restore()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    @property
    def url(self) -> str:
        """Where the API is; the same over its restarts."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def blobs(self) -> Path:
        """Where large outputs are."""
        return self._folder / "data" / "blobs"

    @property
    def servers(self) -> dict[str, str]:
        """The settings that say where the servers are, and how Redis is divided."""
        return {
            "REDIS_URL": self.redis.url,
            "DATABASE_URL": self.postgres.dsn,
            "POINTSMAN_PARTITIONS": str(self.redis.partitions),
        }

    def start(self, name: str, **settings: str) -> None:
        """Start a process under a name that is free."""
        assert not self.is_alive(name), f"{name} runs already"
        role, port = name.rstrip("0123456789"), free_port()
        own = {
            **self.servers,
            "PORT": str(self._api_port),
            "POINTSMAN_DATA_DIR": str(self._folder / "data"),
        }
        if role != "api":
            own[f"POINTSMAN_{role.upper()}_METRICS_PORT"] = str(port)
        environment = child_environment({**QUICK, **own, **settings})
        command = [*_tied_to_us(), sys.executable, "-m", *self.modules[role]]
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        self._running[name] = Running(process, port, not settings)

    def kill(self, name: str) -> None:
        """End a process as only a crash can."""
        self._running[name].process.kill()
        self.ended(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        self._running[name].process.send_signal(number)

    def stop(self, name: str) -> int:
        """Ask a process to finish what it has begun; its exit code."""
        self._running[name].process.terminate()
        return self.ended(name)

    def ended(self, name: str) -> int:
        """Wait for a process to end; its exit code."""
        return self._running[name].process.wait(timeout=60)

    def is_alive(self, name: str) -> bool:
        """Whether a process of that name runs."""
        return name in self._running and self._running[name].process.poll() is None

    def is_serving(self, name: str) -> bool:
        """Whether a process is up, and does its work."""
        return httpx.get(f"http://127.0.0.1:{self._running[name].port}/readyz").status_code == 200

    def said(self, name: str) -> str:
        """What the processes of that name have logged, all there were."""
        return self._log(name).read_text()

    def metric(self, name: str, line: str) -> float:
        """A metric of a process, by all that stands before its value; 0 where it was never counted."""
        page = httpx.get(f"http://127.0.0.1:{self._running[name].port}/metrics").text
        return next((float(text.rpartition(" ")[2]) for text in page.splitlines() if text.startswith(f"{line} ")), 0.0)

    def restore(self) -> None:
        """Bring back what a test has changed: every role runs once, with the settings of all, and nothing else."""
        for name, running in list(self._running.items()):
            if name not in self.modules or not running.is_standard:
                running.process.kill()
                running.process.wait()
                del self._running[name]
        self.redis.start()
        self.postgres.start()
        for name in self.modules:
            if not self.is_alive(name):
                self.start(name)
        eventually_sync(self._is_ready, timeout=60)

    async def _prepare(self) -> None:
        await migrate(self.postgres.dsn)
        connection = await connect(self.postgres.dsn, name="test")
        # What is committed shall survive its server being killed; that the machine goes down is not tested.
        await connection.execute("ALTER DATABASE postgres SET synchronous_commit = on")
        await close(connection)

    def _is_ready(self) -> bool:
        """Whether every partition is open: the API answers 200 when one is."""
        return bool(httpx.get(f"{self.url}/readyz").json() == {"ready": True, "reasons": {}})

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _kill_all(self) -> None:
        for running in self._running.values():
            running.process.kill()
            running.process.wait()


def _tied_to_us() -> list[str]:
    """What ends the command behind it when the tests are gone, however that happened."""
    tie = (os.getpid(), int(signal.SIGKILL), os.getuid(), os.getgid())
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), *map(str, tie)]
