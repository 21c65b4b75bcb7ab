"""Large fan-outs: portions go out as there is room for them, and what is put off is not lost."""

from __future__ import annotations

import pytest

from pointsman.base.clock import ManualClock
from pointsman.base.ids import RunId
from tests.coordinator.desk import Desk, done
from tests.support.plans import plan, task

NAMES = [f"t{number:03}" for number in range(300)]
WIDE = plan(task("a"), *map(task, NAMES), *[f"a->{name}" for name in NAMES])


async def fanned_out(desk: Desk) -> RunId:
    """A run that has put out the first portion of its fan-out, and sent itself a `continue`."""
    run = await desk.start(WIDE)
    await desk.send(done(run, ":a"))
    return run


def out(desk: Desk) -> int:
    return len(desk.server.tasks["function"].entries)


def take_all(desk: Desk) -> None:
    """A worker takes every task there is."""
    desk.server.tasks["function"].read("worker", 1_000, 0)


async def test_a_second_portion_goes_out_at_once_where_workers_wait_for_it() -> None:
    # Given a fan-out whose first portion workers have taken
    desk = Desk()
    await fanned_out(desk)
    take_all(desk)
    # When its `continue` comes
    await desk.batch.handle(await desk.source.read(64, 1))
    # Then the rest is out
    assert out(desk) == 300


@pytest.mark.parametrize("congestion", ["backlog", "memory"])
async def test_a_portion_is_put_off_while_there_is_no_room_and_comes_when_there_is(congestion: str) -> None:
    # Given a fan-out whose first portion nobody has taken; or they have, and memory is short
    desk = Desk()
    await fanned_out(desk)
    if congestion == "memory":
        take_all(desk)
        desk.server.memory = 0.81
    # When its `continue` comes
    await desk.batch.handle(await desk.source.read(64, 1))
    # Then nothing more goes out, and it is on the clock
    assert (out(desk), len(desk.server.timers), len(desk.server.signals.entries)) == (256, 1, 0)
    # And when there is room again, it comes and the rest goes out
    take_all(desk)
    desk.server.memory = 0.5
    clock = desk.server.clock
    assert isinstance(clock, ManualClock)
    clock.advance(1_000 if congestion == "memory" else 20)
    assert await desk.store.fire_timers(10) == 1
    await desk.batch.handle(await desk.source.read(64, 1))
    assert out(desk) == 300


async def test_a_run_with_nothing_out_goes_on_however_short_memory_is() -> None:
    # Given a fan-out of which the first portion is done, and memory that is short and stays so
    desk = Desk()
    run = await fanned_out(desk)
    desk.server.memory = 0.99
    (proceed,) = await desk.source.read(64, 1)
    for name in NAMES[:256]:
        await desk.send(done(run, f":{name}"))
    # When its `continue` comes
    await desk.batch.handle([proceed])
    # Then the rest is out: nothing else would bring it
    assert out(desk) == 300 - 256
