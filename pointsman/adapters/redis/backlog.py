"""What stands on the streams and who serves it: for metrics, and for saying that a task waits for a worker."""

from __future__ import annotations

from collections.abc import Collection

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.wire import Answer
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.ports.backlog import TaskBacklog


class RedisBacklog:
    """The adapter of `pointsman.ports.backlog.Backlog`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._registry = WorkerRegistry(partition)

    async def streams(self) -> dict[str, int]:
        """Unfinished entries of the signals, events and outbox streams."""
        keys = self._partition.keys
        names = (keys.signals, keys.events, keys.outbox)
        lengths = await self._partition.connection.ask_all([("XLEN", name) for name in names])
        return dict(zip(names, lengths, strict=True))

    async def tasks(self) -> list[TaskBacklog]:
        """The backlog of each task type there ever was."""
        connection, keys = self._partition.connection, self._partition.keys
        types = sorted(name.decode() for name in await connection.ask("SMEMBERS", keys.task_types))
        asked: list[Command] = []
        for name in types:
            asked += [("XLEN", keys.tasks(name)), ("XPENDING", keys.tasks(name), WORKERS)]
        answers = await connection.ask_all(asked)
        served = await self._served()
        return [
            _backlog(name, length, pending, served)
            for name, length, pending in zip(types, answers[::2], answers[1::2], strict=True)
        ]

    async def unserved(self, types: Collection[str]) -> set[str]:
        """Those of the types that no live worker is registered for, and of which none holds a task."""
        left = sorted(set(types) - await self._served())
        asked: list[Command] = [("XPENDING", self._partition.keys.tasks(name), WORKERS) for name in left]
        answers = await self._partition.connection.ask_all(asked)
        return {name for name, pending in zip(left, answers, strict=True) if not int(pending[0])}

    async def _served(self) -> set[str]:
        workers, lost = await self._registry.registered(), await self._registry.lost()
        return {name for consumer, types in workers.items() if consumer not in lost for name in types}


def _backlog(name: str, entries: int, pending: Answer, served: set[str]) -> TaskBacklog:
    taken = int(pending[0])
    return TaskBacklog(name, entries, max(0, entries - taken), name in served or taken > 0)
