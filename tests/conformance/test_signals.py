"""Signals: each one stays until somebody acknowledged it."""

from __future__ import annotations

import asyncio

from pointsman.ports.run_store import Link
from tests.conformance.worlds import World
from tests.support.stories import PLAN_BODY, Story, completed_signal


async def test_signals_are_read_in_order_and_each_by_one_consumer(world: World) -> None:
    # Given three signals and two consumers
    one, two = world.source("c1"), world.source("c2")
    await one.send([b"1", b"2", b"3"])
    # When they read in turn
    first = await one.read(2, 0)
    second = await two.read(2, 0)
    # Then each signal was given to one of them
    assert [delivery.body for delivery in first] == [b"1", b"2"]
    assert [delivery.body for delivery in second] == [b"3"]
    assert await one.read(10, 0) == []


async def test_reading_waits_for_the_first_signal(world: World) -> None:
    # Given a consumer that waits
    source = world.source("c1")
    reading = asyncio.create_task(source.read(10, 5_000))
    await asyncio.sleep(0)
    # When a signal is sent
    await world.source("c2").send([b"hello"])
    # Then it has it
    assert [delivery.body for delivery in await reading] == [b"hello"]


async def test_reading_gives_up_when_its_time_is_over(world: World) -> None:
    # Given no signal
    # When a consumer reads, and waits a little
    found = await world.source("c1").read(10, 20)
    # Then it has nothing
    assert found == []


async def test_signals_of_a_dead_consumer_are_claimed(world: World) -> None:
    # Given a consumer that read two signals and died
    dead = world.source("dead")
    await dead.send([b"1", b"2"])
    held = await dead.read(10, 0)
    # When another claims what was held for long, and what was held at all
    alive = world.source("alive")
    fresh = await alive.claim(60_000, 10)
    claimed = await alive.claim(0, 10)
    # Then it has them, and still had not what was fresh
    assert fresh == []
    assert claimed == held


async def test_a_signal_that_a_consumer_leaves_can_be_claimed_at_once(world: World) -> None:
    # Given a consumer that was given two signals, and leaves one
    one, other = world.source("one"), world.source("other")
    await one.send([b"1", b"2"])
    left, kept = await one.read(10, 0)
    await one.leave(left)
    # When another claims what was held for long
    claimed = await other.claim(60_000, 10)
    # Then it has that, and the first still has the other
    assert claimed == [left]
    assert await one.claim(0, 10) == [left, kept]


async def test_a_consumer_that_comes_back_reads_first_what_it_held(world: World) -> None:
    # Given a consumer that stopped before it acknowledged
    await world.source("c1").send([b"1", b"2", b"3"])
    held = await world.source("c1").read(2, 0)
    # When it is started again under its name
    again = world.source("c1")
    # Then it has those first, then the rest
    assert await again.read(10, 0) == held
    assert [delivery.body for delivery in await again.read(10, 0)] == [b"3"]


async def test_an_acknowledged_signal_is_neither_read_nor_claimed(world: World) -> None:
    # Given a signal that apply has acknowledged
    story = Story("run_1", "a")
    await world.store.start(story.first, PLAN_BODY)
    source = world.source("c1")
    await source.send([completed_signal("run_1", ":a")])
    (delivery,) = await source.read(10, 0)
    await world.store.apply([Link(story.completes("a", "b"), delivery.id)])
    # When anybody looks for signals
    # Then there is none
    assert await world.source("c1").read(10, 0) == []
    assert await world.source("c2").claim(0, 10) == []
    assert await world.waiting() == []


async def test_a_rejected_signal_is_set_aside_with_the_reason(world: World) -> None:
    # Given a signal that nobody can act on
    source = world.source("c1")
    await source.send([b"not json"])
    (delivery,) = await source.read(10, 0)
    # When it is rejected
    await source.reject(delivery, "SIG001", "it is not JSON")
    # Then it is acknowledged and kept with the reason
    assert await world.rejected() == [(b"not json", "SIG001", "it is not JSON")]
    assert await world.waiting() == []
    assert await world.source("c2").claim(0, 10) == []


async def test_a_signal_is_set_aside_once(world: World) -> None:
    # Given a signal that two consumers hold for theirs
    source = world.source("c1")
    await source.send([b"not json"])
    (delivery,) = await source.read(10, 0)
    # When both reject it
    await source.reject(delivery, "SIG001", "it is not JSON")
    await world.source("c2").reject(delivery, "SIG001", "it is not JSON")
    # Then it is set aside once
    assert len(await world.rejected()) == 1


async def test_what_workers_push_comes_to_the_stream_in_order(world: World) -> None:
    # Given signals on the public list, one of them no JSON at all
    await world.push(b"1", b"\xff\x00", b"3")
    source = world.source("c1")
    # When they are taken in
    moved = await source.intake(0)
    # Then they are on the stream, untouched
    assert moved == 3
    assert await world.waiting() == [b"1", b"\xff\x00", b"3"]
    assert [delivery.body for delivery in await source.read(10, 0)] == [b"1", b"\xff\x00", b"3"]
    assert await source.intake(0) == 0


async def test_intake_waits_for_the_first_push(world: World) -> None:
    # Given an intake that waits
    intake = asyncio.create_task(world.source("c1").intake(5_000))
    await asyncio.sleep(0)
    # When a worker pushes
    await world.push(b"1")
    # Then it is moved
    assert await intake == 1
    assert await world.waiting() == [b"1"]


async def test_many_pushed_signals_are_all_taken_in(world: World) -> None:
    # Given more than one batch
    await world.push(*(b"%d" % number for number in range(1_200)))
    source = world.source("c1")
    # When intake goes on until there is nothing left
    moved = 0
    while batch := await source.intake(0):
        moved += batch
    # Then they are all there, in order
    assert moved == 1_200
    assert await world.waiting() == [b"%d" % number for number in range(1_200)]


async def test_a_cancelled_read_loses_no_signal(world: World) -> None:
    # Given a read that was cancelled while it waited
    source = world.source("c1")
    reading = asyncio.create_task(source.read(10, 100))
    await asyncio.sleep(0)
    reading.cancel()
    # When a signal comes, and the same consumer reads again
    await world.source("c2").send([b"1"])
    found = await source.read(10, 5_000)
    # Then it has the signal, and no answer of the other read
    assert [delivery.body for delivery in found] == [b"1"]
