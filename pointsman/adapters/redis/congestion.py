"""How full a Redis server is, and what stands on its streams unread."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from pointsman.adapters.redis.checks import memory_share
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command, pack
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.survey import Survey
from pointsman.base.clock import monotonic
from pointsman.ports.congestion import Congestion

_LOOK_EVERY_S: Final = 1.0
_COUNT_EVERY_S: Final = 0.2


class MemoryGauge:
    """The share of its memory that a server uses, asked for at most once a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._share = 0.0
        self._looked_at = float("-inf")

    async def share(self) -> float:
        """The share; 0 where the server has no `maxmemory`."""
        if monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._share = await memory_share(self._connection)
            self._looked_at = monotonic()
        return self._share


class RedisCongestion:
    """The adapter of `pointsman.ports.congestion.Congestion`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._connection = partition.connection
        self._keys = partition.keys
        self._gauge = MemoryGauge(partition.connection)

    async def memory(self) -> float:
        """The share of its memory that Redis uses."""
        return await self._gauge.share()

    async def unwritten(self) -> int:
        """Events on their stream."""
        length: int = await self._connection.ask("XLEN", self._keys.events)
        return length

    async def unread(self, types: Collection[str]) -> int:
        """Tasks that no worker has taken yet; those of a type that was never dispatched are none."""
        asked: list[Command] = []
        for name in types:
            asked += [("XLEN", self._keys.tasks(name)), ("XPENDING", self._keys.tasks(name), WORKERS)]
        if not asked:
            return 0
        answers = await self._connection.exchange(pack(asked), len(asked))
        # A stream without its group is one that nobody has read: the second answer is an error then.
        taken = (pending[0] if isinstance(pending, list) else 0 for pending in answers[1::2])
        lengths = (int(self._connection.checked(length)) for length in answers[::2])
        return max(length - count for length, count in zip(lengths, taken, strict=True))


class RoutedCongestion:
    """The same of all partitions together. One that cannot be asked is left out.

    Who starts a run asks for what is unread: with many partitions that is many questions, so an answer serves everybody
    for a moment, in which each who asks is taken to add a task.
    """

    def __init__(self, partitions: Partitions) -> None:
        self._members = Survey([RedisCongestion(partition) for partition in partitions.all])
        self._servers = Survey(list(dict.fromkeys(partition.connection for partition in partitions.all)))
        self._share, self._looked_at = 0.0, float("-inf")
        self._counted: dict[str, tuple[float, int]] = {}
        self._counting = asyncio.Lock()

    async def memory(self) -> float:
        """The share of its memory that the fullest server uses."""
        if monotonic() - self._looked_at > _LOOK_EVERY_S:
            self._share = max(await self._servers.each(memory_share))
            self._looked_at = monotonic()
        return self._share

    async def unwritten(self) -> int:
        """Events on all their streams."""
        return sum(await self._members.each(RedisCongestion.unwritten))

    async def unread(self, types: Collection[str]) -> int:
        """Tasks that no worker has taken yet, in all partitions."""
        async with self._counting:
            return max([await self._count(name) for name in types], default=0)

    async def _count(self, name: str) -> int:
        """What is unread of one type, as of a moment ago."""
        since = monotonic() - _COUNT_EVERY_S
        self._counted = {name: known for name, known in self._counted.items() if known[0] > since}
        if name not in self._counted:
            unread = sum(await self._members.each(lambda member: member.unread([name])))
            self._counted[name] = monotonic(), unread
        at, unread = self._counted[name]
        self._counted[name] = at, unread + 1
        return unread


def open_congestion(partitions: Partitions) -> Congestion:
    """How full the servers of all partitions are, and what stands unread in them."""
    return RedisCongestion(partitions.all[0]) if len(partitions.all) == 1 else RoutedCongestion(partitions)
