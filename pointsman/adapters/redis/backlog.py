"""What stands on the streams and who serves it: for metrics, and for saying that a task waits for a worker."""

from __future__ import annotations

from collections.abc import Collection

from pointsman.adapters.redis.keys import WORKERS, Keyspace
from pointsman.adapters.redis.packing import Command, pack
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.survey import Survey
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
        answers = await self._partition.connection.exchange(pack(asked), len(asked)) if asked else []
        # A stream without its group is one that nobody has read: the answer is an error then.
        return {
            name
            for name, pending in zip(left, answers, strict=True)
            if not isinstance(pending, list) or not int(pending[0])
        }

    async def _served(self) -> set[str]:
        workers, lost = await self._registry.registered(), await self._registry.lost()
        return {name for consumer, types in workers.items() if consumer not in lost for name in types}


class RoutedBacklog:
    """The same of all partitions together, streams by the names they have where there is one.

    A partition that cannot be asked is left out.
    """

    def __init__(self, partitions: Partitions) -> None:
        self._survey = Survey([RedisBacklog(partition) for partition in partitions.all])

    async def streams(self) -> dict[str, int]:
        """The sums of what stands on the streams."""
        keys = Keyspace()
        names = (keys.signals, keys.events, keys.outbox)
        lengths = [tuple(found.values()) for found in await self._survey.each(RedisBacklog.streams)]
        return dict(zip(names, map(sum, zip(*lengths, strict=True)), strict=True))

    async def tasks(self) -> list[TaskBacklog]:
        """The backlog of each task type there ever was."""
        found: dict[str, TaskBacklog] = {}
        for told in await self._survey.each(RedisBacklog.tasks):
            for one in told:
                other = found.get(one.type, TaskBacklog(one.type, 0, 0, is_served=False))
                found[one.type] = _together(one, other)
        return [found[name] for name in sorted(found)]

    async def unserved(self, types: Collection[str]) -> set[str]:
        """Those of the types that no partition has a worker for."""
        return set.intersection(*await self._survey.each(lambda backlog: backlog.unserved(types)))


def open_backlog(partitions: Partitions) -> RedisBacklog | RoutedBacklog:
    """What stands on the streams of all partitions."""
    return RedisBacklog(partitions.all[0]) if len(partitions.all) == 1 else RoutedBacklog(partitions)


def _together(one: TaskBacklog, other: TaskBacklog) -> TaskBacklog:
    is_served = one.is_served or other.is_served
    return TaskBacklog(one.type, one.entries + other.entries, one.unread + other.unread, is_served)


def _backlog(name: str, entries: int, pending: Answer, served: set[str]) -> TaskBacklog:
    taken = int(pending[0])
    return TaskBacklog(name, entries, max(0, entries - taken), name in served or taken > 0)
