"""Back-pressure: a coordinator takes no signal while memory is full of what the journal has not written."""

from __future__ import annotations

import asyncio

from coordinator import back_pressure
from pointsman.adapters.memory.congestion import MemoryCongestion
from pointsman.ports.journal import JournalEvent
from tests.coordinator.desk import Desk, done
from tests.support.plans import plan, task
from tests.support.waiting import eventually


def fill(desk: Desk) -> None:
    """Memory is full, and the journal far behind."""
    (event, *_) = desk.server.events
    desk.server.events += [event] * back_pressure.MOST_UNWRITTEN
    desk.server.memory = 0.96


async def test_signals_wait_while_memory_is_full_and_the_journal_behind() -> None:
    # Given a coordinator whose store is full of events, and a signal
    desk, drain = Desk(), asyncio.Event()
    run = await desk.start(plan(task("a"), task("b"), "a->b"))
    fill(desk)
    await desk.source.send([done(run, ":a")])
    # When it runs
    running = asyncio.create_task(desk.loop(drain).run())
    await eventually(lambda: bool(desk.server.signals.held))
    # Then the signal stays
    assert len(desk.server.signals.entries) == 1
    # Until the journal has caught up
    written: list[JournalEvent] = desk.server.events
    del written[1:]
    await eventually(lambda: not desk.server.signals.entries)
    drain.set()
    await running


async def test_memory_that_is_full_of_other_things_holds_nothing_back() -> None:
    # Given a coordinator whose store is full, the journal in step with it
    desk, drain = Desk(), asyncio.Event()
    run = await desk.start(plan(task("a"), task("b"), "a->b"))
    desk.server.memory = 2.0
    await desk.source.send([done(run, ":a")])
    # When it runs, then it takes what comes: that is how memory is freed
    running = asyncio.create_task(desk.loop(drain).run())
    await eventually(lambda: not desk.server.signals.entries)
    drain.set()
    await running


async def test_a_coordinator_that_is_held_back_can_be_stopped() -> None:
    # Given a coordinator that is held back, a signal in its hands
    desk, drain = Desk(), asyncio.Event()
    run = await desk.start(plan(task("a"), task("b"), "a->b"))
    fill(desk)
    await desk.source.send([done(run, ":a")])
    running = asyncio.create_task(desk.loop(drain).run())
    await eventually(lambda: bool(desk.server.signals.held))
    # When it is told to stop
    drain.set()
    # Then it sees to what it has in its hands, and ends
    async with asyncio.timeout(30):
        await running
    assert not desk.server.signals.entries


async def test_one_partition_of_several_is_behind_with_its_share_of_the_events() -> None:
    # Given a full memory, and more events in a partition than a sixteenth of what a journal writes in a moment
    desk, drain = Desk(), asyncio.Event()
    await desk.start(plan(task("a"), task("b"), "a->b"))
    (event, *_) = desk.server.events
    desk.server.events += [event] * (back_pressure.MOST_UNWRITTEN // 16)
    desk.server.memory = 0.96
    congestion = MemoryCongestion(desk.server)
    # When it is one of sixteen, then it waits; were it the only one, it would not
    await back_pressure.BackPressure(congestion, drain).pass_when_there_is_room()
    waiting = asyncio.create_task(back_pressure.BackPressure(congestion, drain, 16).pass_when_there_is_room())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    drain.set()
    await waiting
