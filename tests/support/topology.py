"""Redis as tests have it: one server, or a cluster. What is done to Redis is done to either in the same words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, Self

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pointsman.embedded.redis import EmbeddedRedis
from tests.support.processes import free_port

Topology = Literal["one", "cluster"]
"""What Redis is: one server with one partition, or a cluster of three with several."""
Fsync = Literal["always", "everysec", "no"]

_WRITTEN: Final = (".aof", ".rdb")


class RedisServers(ABC):
    """The servers that are Redis to a system, and what can be done to them all. Each can be struck alone, by itself."""

    partitions: int
    """How many a system on it is to have."""

    def __init__(self, nodes: tuple[EmbeddedRedis, ...]) -> None:
        self.nodes = nodes

    @property
    @abstractmethod
    def url(self) -> str:
        """Where processes are told that Redis is."""

    @abstractmethod
    def _settle(self) -> None:
        """Return when all of them, started, take every command they should."""

    @abstractmethod
    def client(self) -> Any:
        """An asynchronous client of redis-py that finds every key, and answers in bytes."""

    @property
    def running(self) -> bool:
        """Whether every server runs."""
        return all(node.running for node in self.nodes)

    @property
    def files(self) -> list[Path]:
        """What the servers have written down, each its own file."""
        return [node.directory.path / "appendonly.aof" for node in self.nodes]

    def start(self) -> None:
        """Start every server that does not run, and return when Redis is whole."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: node.start(), self.nodes))
        self._settle()

    def stop(self) -> None:
        """Shut every server down in good order."""
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """End every server as a crash would."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Stop and start again, on the same ports and data."""
        self.stop()
        self.start()

    def flush(self) -> None:
        """Let every server that runs lose all it has."""
        for node in self.nodes:
            if node.running:
                flush(node)

    def wipe(self) -> None:
        """Remove what the servers that are down have written."""
        for node in self.nodes:
            if not node.running:
                wipe(node)

    def configure(self, name: str, value: str | int) -> None:
        """Change a setting of every server until it ends."""
        for node in self.nodes:
            with talking_to(node) as client:
                client.config_set(name, value)

    def limit_to(self, share: float) -> None:
        """Set the limit of every server's memory so that this share of it is in use."""
        for node in self.nodes:
            with talking_to(node) as client:
                client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class OneRedis(RedisServers):
    """One server."""

    partitions = 1

    def __init__(self, folder: Path, *, appendfsync: Fsync = "everysec") -> None:
        super().__init__((EmbeddedRedis(folder, port=free_port(), appendfsync=appendfsync),))

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def _settle(self) -> None:
        """It answers as soon as it has started."""

    def client(self) -> Any:
        from redis.asyncio import Redis as AsyncRedis

        return AsyncRedis.from_url(self.url, protocol=2)


def flush(node: EmbeddedRedis) -> None:
    """Let a server lose all it has, as an operator does who is in the wrong window."""
    with talking_to(node) as client:
        client.flushall()


def wipe(node: EmbeddedRedis) -> None:
    """Remove what a server that is down has written; which slots it has it still knows."""
    for path in node.directory.path.iterdir():
        if path.suffix in _WRITTEN:
            path.unlink()


@contextmanager
def talking_to(node: EmbeddedRedis) -> Iterator[Any]:
    """A client of one server alone, which fails at once where that does not answer."""
    with Redis.from_url(node.url, retry=Retry(NoBackoff(), 0), socket_timeout=5, protocol=2) as client:
        yield client
