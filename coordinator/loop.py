"""The coordinator's loops: reading, taking over from other coordinators, and the intake of the public list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from pointsman.base.errors import ServerUnavailable
from pointsman.ports.signal_source import Delivery, SignalSource

WAKE_EVERY_S: Final = 0.05
"""A read that was just beginning is woken the next time."""


class Handler(Protocol):
    """Sees batches of signals to their end."""

    async def begin(self, deliveries: Sequence[Delivery]) -> None:
        """Apply what the signals change; some of them may be seen to beside the batches that follow."""
        ...

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Apply what the signals change, all of them, and those that were left from batches before."""
        ...


class Room(Protocol):
    """Says when another batch may be taken."""

    async def pass_when_there_is_room(self) -> None:
        """Wait until then, or until the process drains."""
        ...


class Pushed(Protocol):
    """What workers pushed onto the public list."""

    async def intake(self, block_ms: int) -> int:
        """Move it to where it is read, waiting for the first; how many moved."""
        ...


class Waiting(Protocol):
    """Something that waits for what may come."""

    async def wake(self) -> None:
        """Let it wait no longer."""
        ...


class Intake:
    """Moves what workers push onto the public list to the stream."""

    def __init__(self, pushed: Pushed, drain: asyncio.Event, block_ms: int) -> None:
        self._pushed = pushed
        self._drain = drain
        self._block_ms = block_ms

    async def run(self) -> None:
        """Do so until drained."""
        while not self._drain.is_set():
            await self._pushed.intake(self._block_ms)


class Loop:
    """Reads batches and sees to one after the other; the next is being read meanwhile."""

    def __init__(
        self,
        source: SignalSource,
        batch: Handler,
        room: Room,
        drain: asyncio.Event,
        size: int,
        block_ms: int,
        claim_idle_ms: int,
    ) -> None:
        self._source = source
        self._batch = batch
        self._room = room
        self._drain = drain
        self._size = size
        self._block_ms = block_ms
        self._claim_idle_ms = claim_idle_ms
        self._claim_at = 0.0

    async def run(self) -> None:
        """Read and handle until drained; what was read is always handled before this returns."""
        reading = asyncio.create_task(self._source.read(self._size, self._block_ms))
        try:
            deliveries = await reading
            while not self._drain.is_set():
                deliveries += await self._claim()
                reading = asyncio.create_task(self._source.read(self._size, self._block_ms))
                if deliveries:
                    await self._room.pass_when_there_is_room()
                    await self._batch.begin(deliveries)
                deliveries = await reading
            await self._batch.handle(deliveries)
        finally:
            reading.cancel()

    async def take_over(self) -> None:
        """The same, after what whoever held the partition before has read and not acknowledged."""
        seen: set[str] = set()
        while not self._drain.is_set():
            found = await self._source.claim(0, self._size)
            left = [delivery for delivery in found if delivery.id not in seen]
            if not left:
                break
            # What cannot be decided now stays, and is found again.
            seen.update(delivery.id for delivery in left)
            await self._room.pass_when_there_is_room()
            await self._batch.handle(left)
        await self.run()

    async def _claim(self) -> list[Delivery]:
        """What a coordinator that died has left, looked for now and then."""
        now = asyncio.get_running_loop().time()
        if now < self._claim_at:
            return []
        self._claim_at = now + self._claim_idle_ms / 2_000
        return await self._source.claim(self._claim_idle_ms, self._size)


@asynccontextmanager
async def waking(drain: asyncio.Event, *waiting: Waiting) -> AsyncIterator[None]:
    """Inside, once `drain` is set, nothing of these waits any longer: another shall not wait for who only waits."""

    async def wake() -> None:
        await drain.wait()
        while True:
            for each in waiting:
                # Where it cannot be woken it comes to its end by itself.
                with suppress(ServerUnavailable):
                    await each.wake()
            await asyncio.sleep(WAKE_EVERY_S)

    task = asyncio.create_task(wake())
    try:
        yield
    finally:
        task.cancel()
