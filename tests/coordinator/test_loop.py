"""The coordinator's loop: started and stopped at any moment, it sees what it read to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.coordinator.desk import Desk, done
from tests.support.plans import plan, task
from tests.support.start_stop import stress


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
