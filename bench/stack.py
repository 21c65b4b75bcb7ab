"""Servers and processes of a benchmark, each a process of its own, as in production: AOF everysec, journal on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

import psutil

from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.migrate import migrate
from pointsman.adapters.redis.partitions import Partitions
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.settings import child_environment
from tests.support.cluster import RedisCluster

ROOT = Path(__file__).parent.parent
WORKER = ("pointsman.worker", str(ROOT / "bench" / "worker.py"))

_OPEN_S: Final = 30.0
"""How long the supervisor may take to open Redis."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """Everything a workload needs.

    `coordinator` is the module that is run as the coordinator, None for none; `worker` what `python -m` is given for
    the worker.
    """

    def __init__(
        self,
        data_dir: Path,
        coordinator: str | None = "coordinator",
        worker: Sequence[str] = WORKER,
        *,
        api: bool = False,
        redis: EmbeddedRedis | RedisCluster | None = None,
        partitions: int = 1,
    ) -> None:
        self.redis = redis or EmbeddedRedis(data_dir / "redis", appendfsync="everysec")
        self._count = partitions
        self.postgres = EmbeddedPostgres(data_dir / "postgres")
        self._data_dir = data_dir
        self._modules = {"supervisor": ["supervisor"], "worker": [*worker]}
        if coordinator is not None:
            self._modules["coordinator"] = [coordinator]
        if api:
            self._modules["api"] = ["orchestrator_api"]
        self.port = free_port()
        """Where the API is, if there is one."""
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for server in (self.redis, self.postgres):
            await asyncio.to_thread(server.start)
            self._closing.callback(server.stop)
        self._closing.callback(self._stop_children)
        await migrate(self.postgres.dsn)
        self.partitions = await Partitions.open(self.redis.url, self._count)
        self._closing.push_async_callback(self.partitions.aclose)
        self.pool = await open_pool(self.postgres.dsn, name="bench")
        self._closing.push_async_callback(self.pool.close)
        for name, arguments in self._modules.items():
            self.start(name, arguments)
        async with asyncio.timeout(_OPEN_S):
            for partition in self.partitions.all:
                while not await partition.rejoin():
                    await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    def start(self, name: str, arguments: Sequence[str], settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start a process, `python -m` with these arguments, with settings of its own."""
        environment = child_environment(
            {
                **settings,
                "REDIS_URL": self.redis.url,
                "POINTSMAN_PARTITIONS": str(self._count),
                "DATABASE_URL": self.postgres.dsn,
                "PORT": str(self.port),
                "POINTSMAN_DATA_DIR": str(self._data_dir),
                "LOG_LEVEL": "warning",
            }
        )
        self._children[name] = subprocess.Popen([sys.executable, "-m", *arguments], env=environment, cwd=ROOT)

    def _stop_children(self) -> None:
        for child in self._children.values():
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for child in self._children.values():
            child.wait(timeout=20)

    @property
    def any_node(self) -> str:
        """The URL of a server that hears what is published: each of a cluster does."""
        return self.redis.nodes[0].url if isinstance(self.redis, RedisCluster) else self.redis.url

    def hold(self, name: str) -> None:
        """Stop a process where it stands."""
        os.kill(self._children[name].pid, signal.SIGSTOP)

    def let_go(self, name: str) -> None:
        """Let a held process go on."""
        os.kill(self._children[name].pid, signal.SIGCONT)

    def rss(self) -> dict[str, float]:
        """MiB of memory that each process holds."""
        return {name: round(psutil.Process(child.pid).memory_info().rss / 2**20, 1) for name, child in self.alive()}

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds that each process and server has used."""
        assert isinstance(self.redis, EmbeddedRedis), "a cluster has no process of its own"
        pids = {name: child.pid for name, child in self.alive()} | {"redis": self.redis.pid or 0}
        used = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
        return {name: times.user + times.system for name, times in used.items()}

    def alive(self) -> list[tuple[str, subprocess.Popen[bytes]]]:
        """The processes; one that ended is an error."""
        for name, child in self._children.items():
            if child.poll() is not None:
                raise RuntimeError(f"{name} ended with {child.returncode}; what it printed is above")
        return list(self._children.items())
