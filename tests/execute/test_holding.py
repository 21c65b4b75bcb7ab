"""Holding partitions: all are served, none by two that know of each other, whoever comes, goes or is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NoReturn

import pytest

from pointsman.adapters.memory.leases import LeaseTable, MemoryLeases
from pointsman.base.clock import SystemClock
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis
from pointsman.execute import holding
from pointsman.execute.holding import Holding, Tenure
from pointsman.ports.leases import Release
from tests.support.start_stop import stress
from tests.support.waiting import eventually

COUNT = 8


@pytest.fixture(autouse=True)
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds that nobody has to wait for."""
    monkeypatch.setattr(holding, "_ROUND_S", 0.02)


class Process:
    """One process at work on what it holds."""

    def __init__(self, table: LeaseTable, name: str, served: dict[int, list[str]]) -> None:
        self.drain = asyncio.Event()
        self.name = name
        self.told: list[int] = []
        self.finishing: set[int] = set()
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self._served = served
        self.leases = MemoryLeases(table, name)
        self.holding = Holding(self.leases, COUNT, self.serve, self.drain, self.told.append)

    async def serve(self, number: int, tenure: Tenure) -> None:
        """Work until told to stop, and finish what was begun."""
        self._served[number].append(self.name)
        await tenure.stop.wait()
        self.finishing.add(number)
        await self.may_finish.wait()
        self._served[number].remove(self.name)

    @property
    def count(self) -> int:
        """How many partitions it serves."""
        return sum(self.name in names for names in self._served.values())


def nothing_served() -> dict[int, list[str]]:
    """Who serves each partition."""
    return {number: [] for number in range(COUNT)}


def counts(*processes: Process) -> list[int]:
    """How many partitions each serves."""
    return [process.count for process in processes]


async def test_processes_share_out_partitions_and_hand_them_over() -> None:
    # Given three processes, one of which begins alone
    table, served = LeaseTable(SystemClock()), nothing_served()
    one, two, three = (Process(table, name, served) for name in ("one", "two", "three"))
    async with asyncio.TaskGroup() as group:
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        # When the others come, and one goes
        group.create_task(two.holding.run())
        await eventually(lambda: counts(one, two) == [4, 4])
        group.create_task(three.holding.run())
        await eventually(lambda: counts(one, two, three) == [3, 3, 2])
        one.drain.set()
        await eventually(lambda: counts(one, two, three) == [0, 4, 4])
        # Then each partition is served by one of those that are left
        assert sorted(len(names) for names in served.values()) == [1] * COUNT
        two.drain.set()
        three.drain.set()
    # And when all have gone nothing is held, and each had said so
    assert served == nothing_served()
    assert (table.leases, table.members) == ({}, {})
    assert [process.told[-1] for process in (one, two, three)] == [0, 0, 0]


async def test_a_partition_is_handed_over_only_once_it_is_done() -> None:
    # Given a process that has not finished what it began on its partitions
    table, served = LeaseTable(SystemClock()), nothing_served()
    one, two = (Process(table, name, served) for name in ("one", "two"))
    one.may_finish.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        # When another comes
        group.create_task(two.holding.run())
        await eventually(lambda: len(one.finishing) == 4)
        # Then that gets nothing before the first one is done
        assert counts(one, two) == [8, 0]
        one.may_finish.set()
        await eventually(lambda: counts(one, two) == [4, 4])
        one.drain.set()
        two.drain.set()


async def test_a_process_stops_serving_what_another_has_taken() -> None:
    # Given a process that was away for so long that another took one of its partitions
    table, served = LeaseTable(SystemClock()), nothing_served()
    one = Process(table, "one", served)
    async with asyncio.TaskGroup() as group:
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        table.leases[3] = ("another", Millis(table.now() + 60_000))
        # When it renews its leases, then it finds out, and serves the others
        await eventually(lambda: counts(one) == [7])
        assert served[3] == []
        one.drain.set()


async def test_what_is_held_is_held_on_to_while_nobody_can_say_who_is_there() -> None:
    # Given a process that holds everything
    table, served = LeaseTable(SystemClock()), nothing_served()
    one = Process(table, "one", served)
    asked: list[int] = []

    async def away(*_: object) -> NoReturn:
        asked.append(1)
        raise ServerUnavailable("SRV002", "the connection was lost")

    async with asyncio.TaskGroup() as group:
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        # When it cannot ask who the others are any more, nor whether anything changed
        one.leases.join = one.leases.changed = away  # type: ignore[assignment, method-assign]
        table.tell()
        await eventually(lambda: len(asked) >= 3)
        # Then it serves on, and can be told to stop
        assert counts(one) == [8]
        one.drain.set()
    assert served == nothing_served()


async def test_what_a_process_of_the_same_name_held_is_served_on() -> None:
    # Given leases of a process that died, and came back under its name
    table, served = LeaseTable(SystemClock()), nothing_served()
    table.leases = dict.fromkeys(range(COUNT), ("one", Millis(table.now() + 60_000)))
    one = Process(table, "one", served)
    async with asyncio.TaskGroup() as group:
        # When it runs, then it does not wait for them to end
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        one.drain.set()


async def test_a_partition_is_served_though_the_answers_that_it_was_taken_were_lost() -> None:
    # Given a process that takes everything, and hears nothing of one partition, twice
    table, served = LeaseTable(SystemClock()), nothing_served()
    one = Process(table, "one", served)
    hold, lost = one.leases.hold, [3, 3]

    async def deaf(partitions: Collection[int]) -> dict[int, str]:
        held = await hold(partitions)
        if 3 in held and lost:
            del held[lost.pop()]
        return held

    one.leases.hold = deaf  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        # When it looks again, then it finds what is its own
        group.create_task(one.holding.run())
        await eventually(lambda: counts(one) == [8])
        assert not lost
        one.drain.set()


async def test_an_older_release_stands_by_while_a_newer_one_is_there() -> None:
    # Given a process of an older release that holds everything
    table, served = LeaseTable(SystemClock()), nothing_served()
    old, new = (Process(table, name, served) for name in ("old", "new"))
    join = old.leases.join

    async def join_as_older(release: Release) -> Mapping[str, Release]:
        return await join((release[0] - 1, release[1]))

    old.leases.join = join_as_older  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        group.create_task(old.holding.run())
        await eventually(lambda: counts(old) == [8])
        # When a newer one comes, then that serves it all
        group.create_task(new.holding.run())
        await eventually(lambda: counts(old, new) == [0, 8])
        # Until it goes
        new.drain.set()
        await eventually(lambda: counts(old, new) == [8, 0])
        old.drain.set()


async def test_holding_can_be_started_and_stopped_at_any_moment() -> None:
    # Given partitions to hold
    table = LeaseTable(SystemClock())

    def make(drain: asyncio.Event) -> Callable[[], Awaitable[None]]:
        async def serve(_: int, tenure: Tenure) -> None:
            await tenure.stop.wait()

        return Holding(MemoryLeases(table, "one"), COUNT, serve, drain, lambda _: None).run

    # When it is put through every kind of beginning and end
    # Then it ends in time and leaves nothing running
    await stress(make, rounds=4)
