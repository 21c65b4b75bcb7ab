"""A worker process in one partition: its crews there, who sends what they report, and its place on the list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.workers import Holding, WorkerRegistry
from pointsman.base.errors import ServerUnavailable
from pointsman.health import Health
from pointsman.service import Loop
from pointsman.worker.crew import Crew, Staff
from pointsman.worker.execution import Surroundings
from pointsman.worker.sender import Sender

_AT_ONCE_MS: Final = 1

Surround = Callable[[Callable[[bytes], None], Callable[[], None]], Surroundings]
"""Adds to what all partitions have in common who sends a signal, and who lets it out."""


class Post:
    """One of these in each partition; they share slots and threads, and fail each by itself."""

    def __init__(
        self,
        partition: Partition,
        staffs: Sequence[Staff],
        consumer: str,
        surround: Surround,
        health: Health,
        drain: asyncio.Event,
    ) -> None:
        self._consumer = consumer
        self._types = [staff.worker.type for staff in staffs]
        self._registry = WorkerRegistry(partition)
        self._suffix = "" if all(staff.reads_alone for staff in staffs) else f"_{partition.number}"
        self.sender = Sender(partition.connection, partition.keys.signals, health, f"results{self._suffix}")
        around = surround(self.sender.send, self.sender.push)
        self.crews = [Crew(staff, partition, consumer, around, drain) for staff in staffs]
        self._unfinished = 0

    async def register(self, lease_ms: int) -> None:
        """Begin a lease here. Raises `ServerUnavailable`."""
        await self._registry.register(self._consumer, self._types, lease_ms)

    def readers(self) -> Mapping[str, Loop]:
        """What reads tasks here."""
        return {f"read_{crew.type}{self._suffix}": crew.reader.run for crew in self.crews}

    async def finish(self) -> None:
        """Wait, after the drain began, until nothing more is read and nothing is running."""
        await asyncio.gather(*(crew.finish() for crew in self.crews))

    async def leave(self, patience_s: float) -> None:
        """Stop where it is."""
        self._unfinished = sum(await asyncio.gather(*(crew.leave(patience_s) for crew in self.crews)))

    @property
    def left(self) -> tuple[int, int]:
        """How many tasks it left unfinished, and how many signals Redis does not have."""
        return self._unfinished, self.sender.waiting

    async def sign_off(self) -> None:
        """Leave the list of workers; where something is unfinished, stay on it as dead, so that it is taken over."""
        with suppress(ServerUnavailable):
            if any(self.left):
                await self._registry.renew(self._consumer, _AT_ONCE_MS)
            else:
                await self._registry.unregister(self._consumer)

    def holds(self) -> list[Holding]:
        """What is being worked on here; any thread may ask."""
        return [holding for crew in self.crews for holding in crew.holds()]

    def close(self, gone: Sequence[Holding]) -> None:
        """Tell handlers which results are no longer wanted."""
        for crew in self.crews:
            crew.close(gone)
