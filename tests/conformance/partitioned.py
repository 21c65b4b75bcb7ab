"""Many partitions as one world: what the product does for all of them, and the sum of what each sees for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from pointsman.adapters.redis.congestion import open_congestion
from pointsman.adapters.redis.intake import RoutedIntake
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import open_store
from pointsman.base.clock import monotonic
from pointsman.base.errors import SignalRejected
from pointsman.base.ids import Digest, Millis, RunId, partition_of
from pointsman.ports.congestion import Congestion
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import Fence, Place, Rebuilt, RecoveryStore
from pointsman.ports.run_store import RunStore
from pointsman.ports.signal_source import Delivery, SignalSource
from pointsman.protocol.signal import decode_signal
from tests.conformance.worlds import RedisWorld

T = TypeVar("T")


class PartitionedWorld:
    """A world of several partitions on a real server."""

    def __init__(self, partitions: Partitions) -> None:
        self.partitions = partitions
        self.store = open_store(partitions)
        self.worlds = [RedisWorld(partition) for partition in partitions.all]
        self.recovery: RecoveryStore = EveryRecovery([world.recovery for world in self.worlds])
        self._intakes: list[RoutedIntake] = []
        self._given: dict[Delivery, int] = {}

    @property
    def congestion(self) -> Congestion:
        """One that has not looked yet: what it saw is good for a moment."""
        return open_congestion(self.partitions)

    def source(self, consumer: str) -> SignalSource:
        self._intakes.append(RoutedIntake(self.partitions, lambda: True))
        return EverySource([world.source(consumer) for world in self.worlds], self._intakes[-1], self._given)

    async def tasks(self, task_type: str) -> list[bytes]:
        return await self._all(lambda world: world.tasks(task_type))

    async def events(self) -> list[JournalEvent]:
        return await self._all(RedisWorld.events)

    async def waiting(self) -> list[bytes]:
        return await self._all(RedisWorld.waiting)

    async def rejected(self) -> list[tuple[bytes, str, str]]:
        return await self._all(RedisWorld.rejected)

    async def timers(self) -> list[str]:
        return sorted(await self._all(RedisWorld.timers))

    async def counter(self, run: RunId) -> int | None:
        return await self.worlds[partition_of(run, len(self.worlds))].counter(run)

    async def push(self, *signals: bytes) -> None:
        await self.worlds[0].push(*signals)

    async def give_out(self, task_type: str, count: int) -> None:
        for world in self.worlds:
            there = len(await world.tasks(task_type))
            if taken := min(count, there):
                await world.give_out(task_type, taken)
                count -= taken

    async def lose_state(self) -> None:
        for world in self.worlds:
            await world.lose_state()

    async def lose_everything(self) -> None:
        await self.worlds[0].lose_everything()

    def another_store(self) -> RunStore:
        return open_store(self.partitions)

    def another_recovery(self) -> RecoveryStore:
        return EveryRecovery([world.another_recovery() for world in self.worlds])

    async def aclose(self) -> None:
        for intake in self._intakes:
            await intake.aclose()
        for world in self.worlds:
            await world.aclose()

    async def _all(self, look: Callable[[RedisWorld], Awaitable[list[T]]]) -> list[T]:
        return [one for world in self.worlds for one in await look(world)]


class EverySource:
    """The signals of all partitions, as a coordinator that holds them all has them."""

    def __init__(self, sources: Sequence[SignalSource], intake: RoutedIntake, given: dict[Delivery, int]) -> None:
        """`given` is where every coordinator's deliveries came from."""
        self._sources = sources
        self._intake = intake
        self._given = given

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        until = monotonic() + block_ms / 1_000
        while True:
            found = await self._each(count, lambda source, left: source.read(left, 0))
            if found or monotonic() > until:
                return found
            await asyncio.sleep(0)

    async def claim(self, min_idle_ms: int, count: int) -> list[Delivery]:
        return await self._each(count, lambda source, left: source.claim(min_idle_ms, left))

    async def reject(self, delivery: Delivery, code: str, reason: str) -> None:
        await self._sources[self._given[delivery]].reject(delivery, code, reason)

    async def leave(self, delivery: Delivery) -> None:
        await self._sources[self._given[delivery]].leave(delivery)

    async def postpone(self, delivery: Delivery, run: RunId, delay_ms: int) -> None:
        await self._sources[self._given[delivery]].postpone(delivery, run, delay_ms)

    async def send(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            await self._sources[_partition(body, len(self._sources))].send([body])

    async def intake(self, block_ms: int) -> int:
        return await self._intake.intake(block_ms)

    async def _each(self, count: int, take: Callable[[SignalSource, int], Awaitable[list[Delivery]]]) -> list[Delivery]:
        found: list[Delivery] = []
        for number, source in enumerate(self._sources):
            if len(found) < count:
                few = await take(source, count - len(found))
                self._given.update(dict.fromkeys(few, number))
                found += few
        return found


class EveryRecovery:
    """The recoveries of all partitions, carried out together."""

    def __init__(self, members: Sequence[RecoveryStore]) -> None:
        self._members = members

    async def look(self) -> Fence:
        (fence,) = {await member.look() for member in self._members}
        return fence

    async def close(self, epoch: int) -> None:
        for member in self._members:
            await member.close(epoch)

    async def places(self, runs: Sequence[RunId]) -> dict[RunId, Place]:
        told = [await member.places(few) for member, few in self._split(runs, lambda run: run)]
        return {run: place for found in told for run, place in found.items()}

    async def held(self) -> AsyncIterator[list[RunId]]:
        for member in self._members:
            async for runs in member.held():
                yield runs

    async def put_plan(self, digest: Digest, plan: bytes) -> None:
        for member in self._members:
            await member.put_plan(digest, plan)

    async def drop(self, runs: Sequence[RunId]) -> None:
        for member, few in self._split(runs, lambda run: run):
            await member.drop(few)

    async def restore(self, runs: Sequence[Rebuilt]) -> None:
        for member, few in self._split(runs, lambda rebuilt: rebuilt.run.head.run_id):
            await member.restore(few)

    async def open(self, epoch: int) -> None:
        for member in self._members:
            await member.open(epoch)

    async def now(self) -> Millis:
        return await self._members[0].now()

    def _split(self, things: Sequence[T], run_of: Callable[[T], RunId]) -> list[tuple[RecoveryStore, list[T]]]:
        split: dict[int, list[T]] = {}
        for thing in things:
            split.setdefault(partition_of(run_of(thing), len(self._members)), []).append(thing)
        return [(self._members[number], few) for number, few in split.items()]


def _partition(body: bytes, count: int) -> int:
    try:
        return partition_of(decode_signal(body).run_id, count)
    except SignalRejected:
        return 0
