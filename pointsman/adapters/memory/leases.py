"""MemoryLeases: the leases of one role, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from pointsman.base.clock import Clock
from pointsman.base.ids import Millis
from pointsman.ports.leases import TTL_MS, Release


class LeaseTable:
    """What Redis is to `PartitionLeases`: the members and leases of one role, each until when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.members: dict[str, tuple[Release, Millis]] = {}
        self.leases: dict[int, tuple[str, Millis]] = {}
        self.news = asyncio.Event()
        """Of the latest change; the next has another."""

    def now(self) -> Millis:
        """The time on its clock."""
        return self._clock.now()

    def tell(self) -> None:
        """Let everybody know that something changed."""
        self.news.set()
        self.news = asyncio.Event()


class MemoryLeases:
    """The adapter of `pointsman.ports.leases.Leases`; the docstrings there hold here."""

    def __init__(self, table: LeaseTable, consumer: str) -> None:
        self._table = table
        self._consumer = consumer
        self._seen: asyncio.Event | None = None

    @property
    def me(self) -> str:
        """The consumer."""
        return self._consumer

    async def join(self, release: Release) -> Mapping[str, Release]:
        """Be a member, and forget those whose time is over."""
        now, members = self._table.now(), self._table.members
        before = frozenset(members)
        for name in [name for name, (_, until) in members.items() if until <= now]:
            del members[name]
        members[self._consumer] = release, Millis(now + TTL_MS)
        if before != frozenset(members):
            self._table.tell()
        return {name: each for name, (each, _) in members.items()}

    async def leave(self) -> None:
        """Be no member."""
        self._table.members.pop(self._consumer, None)
        self._table.tell()

    async def holders(self, partitions: Collection[int]) -> dict[int, str | None]:
        """Who holds these partitions."""
        return {number: self._holder(number) for number in partitions}

    async def hold(self, partitions: Collection[int]) -> dict[int, str]:
        """Take or renew."""
        until = Millis(self._table.now() + TTL_MS)
        held = {number: self._holder(number) or self._consumer for number in partitions}
        own = [number for number, holder in held.items() if holder == self._consumer]
        self._table.leases |= dict.fromkeys(own, (self._consumer, until))
        return held

    async def release(self, partitions: Collection[int]) -> None:
        """Give up, and tell."""
        for number in partitions:
            if self._holder(number) == self._consumer:
                del self._table.leases[number]
        self._table.tell()

    async def changed(self, within_ms: int) -> None:
        """Wait for news."""
        if self._seen is self._table.news:
            try:
                async with asyncio.timeout(within_ms / 1000):
                    await self._seen.wait()
            except TimeoutError:
                return
        self._seen = self._table.news

    def _holder(self, number: int) -> str | None:
        holder, until = self._table.leases.get(number, ("", 0))
        return holder if until > self._table.now() else None
