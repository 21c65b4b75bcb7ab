"""Leases: a partition has one holder at a time, and who is gone is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from redis.asyncio import Redis

from pointsman.adapters.memory.leases import LeaseTable, MemoryLeases
from pointsman.adapters.redis.leases import PartitionLeases
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.clock import ManualClock
from pointsman.ports.leases import TTL_MS, Leases

COUNT = 4
NOW, LATER = (1, 1), (1, 2)


class Leasing(Protocol):
    """What a test sees of one adapter: four partitions without a holder."""

    def of(self, consumer: str) -> Leases:
        """The leases as one process sees them."""
        ...

    async def pass_time(self) -> None:
        """Let so much time pass that all that was not renewed ends."""
        ...


class MemoryLeasing:
    """Leases in this process."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._table = LeaseTable(self._clock)

    def of(self, consumer: str) -> Leases:
        """As one process sees them."""
        return MemoryLeases(self._table, consumer)

    async def pass_time(self) -> None:
        """Move the clock."""
        self._clock.advance(TTL_MS)


class RedisLeasing:
    """Leases on a real server."""

    def __init__(self, partitions: Partitions, operator: Redis) -> None:
        self._partitions = partitions
        self._operator = operator
        self.made: list[PartitionLeases] = []

    def of(self, consumer: str) -> Leases:
        """As one process sees them."""
        self.made.append(PartitionLeases(self._partitions, "coordinator", consumer))
        return self.made[-1]

    async def pass_time(self) -> None:
        """End at once what would end by itself."""
        for number in range(COUNT):
            # The lease has a time to live: without one it would stay for ever.
            assert await self._operator.pttl(f"{{{number}}}wf.coordinator") in (-2, *range(1, TTL_MS + 1))
            await self._operator.delete(f"{{{number}}}wf.coordinator")
        for name in await self._operator.zrange("{0}wf.coordinators", 0, -1):
            await self._operator.zincrby("{0}wf.coordinators", -TTL_MS, str(name))


@pytest.fixture(params=["memory", "redis"])
async def leasing(request: pytest.FixtureRequest) -> AsyncIterator[Leasing]:
    """Four partitions that nobody serves yet."""
    if request.param == "memory":
        yield MemoryLeasing()
        return
    url = request.getfixturevalue("redis_db")
    partitions = await Partitions.open(url, COUNT)
    operator = Redis.from_url(url, decode_responses=True)
    redis = RedisLeasing(partitions, operator)
    yield redis
    for made in redis.made:
        await made.aclose()
    await partitions.aclose()
    await operator.aclose()


async def test_a_partition_is_held_by_who_came_first(leasing: Leasing) -> None:
    # Given a process that holds two partitions
    one, other = leasing.of("one"), leasing.of("other")
    assert await one.hold([0, 1]) == {0: "one", 1: "one"}
    # When another wants one of them, and a free one
    held = await other.hold([1, 2])
    # Then it has the free one, and both know who has which
    assert held == {1: "one", 2: "other"}
    assert await one.holders(range(COUNT)) == {0: "one", 1: "one", 2: "other", 3: None}
    assert await other.holders([3, 0]) == {3: None, 0: "one"}


async def test_a_lease_that_is_renewed_outlasts_one_that_is_not(leasing: Leasing) -> None:
    # Given a process whose leases end
    one, other = leasing.of("one"), leasing.of("other")
    await one.hold([0, 1])
    await leasing.pass_time()
    # When it renews one of them, and another wants both
    renewed = await one.hold([0])
    held = await other.hold([0, 1])
    # Then each has one
    assert (renewed, held) == ({0: "one"}, {0: "one", 1: "other"})


async def test_only_the_holder_can_release_a_partition(leasing: Leasing) -> None:
    # Given a process that holds a partition
    one, other = leasing.of("one"), leasing.of("other")
    await one.hold([0, 1])
    # When another releases it, and it releases another itself
    await other.release([0])
    await one.release([1, 2])
    # Then only what was its own is free
    assert await one.holders(range(COUNT)) == {0: "one", 1: None, 2: None, 3: None}


async def test_a_member_is_forgotten_when_it_was_not_heard_of(leasing: Leasing) -> None:
    # Given two members
    one, other = leasing.of("one"), leasing.of("other")
    assert set(await one.join(NOW)) == {"one"}
    assert set(await other.join(NOW)) == {"one", "other"}
    # When one of them is not heard of for so long
    await leasing.pass_time()
    # Then the other is alone, until it comes back
    assert set(await other.join(NOW)) == {"other"}
    assert set(await one.join(NOW)) == {"one", "other"}


async def test_members_know_of_which_release_the_others_are(leasing: Leasing) -> None:
    # Given processes of two releases
    one, other = leasing.of("one"), leasing.of("an:other")
    # When they join, then each knows what the other understands
    assert await one.join(NOW) == {"one": NOW}
    assert await other.join(LATER) == {"one": NOW, "an:other": LATER}
    assert await one.join(NOW) == {"one": NOW, "an:other": LATER}


async def test_a_member_that_leaves_is_no_member_at_once(leasing: Leasing) -> None:
    # Given two members
    one, other = leasing.of("one"), leasing.of("other")
    await one.join(NOW)
    await other.join(NOW)
    # When one leaves
    await one.leave()
    # Then the other is alone
    assert set(await other.join(NOW)) == {"other"}


@pytest.mark.parametrize("change", ["join", "leave", "release"])
async def test_whoever_waits_is_told_of_every_change(leasing: Leasing, change: str) -> None:
    # Given a process that has seen all there was to see, and waits
    one, other = leasing.of("one"), leasing.of("other")
    await one.join(NOW)
    await one.changed(1)
    waiting = asyncio.create_task(one.changed(60_000))
    # When another comes, goes, or releases something
    match change:
        case "join":
            await other.join(NOW)
        case "leave":
            await other.leave()
        case _:
            await other.release([0])
    # Then it knows before its time is over
    async with asyncio.timeout(10):
        await waiting


async def test_waiting_for_a_change_ends_by_itself(leasing: Leasing) -> None:
    # Given a process that has seen all there was to see
    one = leasing.of("one")
    await one.join(NOW)
    await one.changed(1)
    # When nothing changes, then it waits no longer than it said
    async with asyncio.timeout(10):
        await one.changed(1)
