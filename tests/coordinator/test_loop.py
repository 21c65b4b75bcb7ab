"""The coordinator's loop: started and stopped at any moment, it sees what it read to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coordinator.loop import waking
from tests.coordinator.desk import Desk, done
from tests.support.plans import plan, task
from tests.support.start_stop import stress
from tests.support.waiting import eventually


async def test_the_loop_can_be_started_and_stopped_at_any_moment() -> None:
    # Given a coordinator with a run to take signals for
    desk = Desk()
    await desk.start(plan(task("a")))

    def make(drain: asyncio.Event) -> Callable[[], Awaitable[None]]:
        return desk.loop(drain).run

    # When it is put through every kind of beginning and end
    # Then it ends in time and leaves nothing running
    await stress(make, rounds=4)


async def test_what_was_read_when_the_drain_began_is_handled_before_the_loop_ends() -> None:
    # Given a loop that is drained while a signal waits
    desk = Desk()
    run = await desk.start(plan(task("a")))
    drain = asyncio.Event()
    running = asyncio.create_task(desk.loop(drain).run())
    await desk.source.send([done(run, ":a")])
    # When it is told to stop
    drain.set()
    await running
    # Then the signal was taken, or still stands on the stream for another
    taken = (await desk.run(run)).head.status == "COMPLETED"
    assert taken != bool(desk.server.signals.entries)


async def test_who_takes_over_sees_to_what_its_predecessor_has_read() -> None:
    # Given signals of two runs that a coordinator read and died with, one of them for a plan that is gone
    dead = Desk()
    run = await dead.start(plan(task("a")))
    torn = await dead.start(plan(task("a"), name="torn"), "run_2")
    dead.server.plans.pop((await dead.run(torn)).head.plan)
    await dead.source.send([done(run, ":a"), done(torn, ":a")])
    assert len(await dead.source.read(16, 1)) == 2
    # When another takes over
    other, drain = Desk(dead.server, "two"), asyncio.Event()
    running = asyncio.create_task(other.loop(drain).take_over())
    # Then it does at once what can be done, and reads on
    await eventually(lambda: len(dead.server.signals.entries) == 1)
    third = await dead.start(plan(task("a")), "run_3")
    await dead.source.send([done(third, ":a")])
    await eventually(lambda: len(dead.server.signals.entries) == 1)
    assert [(await dead.run(each)).head.status for each in (run, torn, third)] == ["COMPLETED", "RUNNING", "COMPLETED"]
    drain.set()
    await running


async def test_who_was_told_to_stop_waits_for_nothing_any_more() -> None:
    # Given something that waits, and was just beginning to when it is woken for the first time
    drain = asyncio.Event()

    class Sleeper:
        times = 0

        async def wake(self) -> None:
            self.times += 1

    sleeper = Sleeper()
    async with waking(drain, sleeper):
        assert sleeper.times == 0
        # When the drain begins
        drain.set()
        # Then it is woken again
        await eventually(lambda: sleeper.times == 2)
