"""Runs that somebody else has moved are stepped again beside the batches that follow, in order, and nothing is lost."""

from __future__ import annotations

import pytest

from pointsman.base.ids import RunId
from tests.coordinator.desk import Desk, done
from tests.support.plans import plan, task

JOINED = plan(task("a"), task("b"), task("c"), "a->c", "b->c")
LINE = plan(task("a"), task("b"), task("c"), "a->b->c")


async def begun(desk: Desk, *bodies: bytes) -> None:
    """Signals that are read and begun with, as the loop does."""
    await desk.source.send(bodies)
    await desk.batch.begin(await desk.source.read(64, 1))


async def outdated(desk: Desk) -> RunId:
    """A run that the coordinator knows as it was before another coordinator moved it."""
    run = await desk.start(JOINED, "run_moved")
    desk.cache.put(run, await desk.run(run))
    await Desk(desk.server, "two").send(done(run, ":a"))
    return run


async def test_no_batch_waits_for_a_run_that_somebody_else_has_moved() -> None:
    # Given a coordinator whose view of one run is outdated, and another run
    desk = Desk()
    moved, other = await outdated(desk), await desk.start(LINE, "run_other")
    # When a batch has a signal for each
    await begun(desk, done(moved, ":b"), done(other, ":a"))
    # Then the other run has gone on, and goes on, before the first is looked at again
    assert list((await desk.run(moved)).tokens) == [":b"]
    assert list((await desk.run(other)).tokens) == [":b"]
    await begun(desk, done(other, ":b"))
    assert list((await desk.run(other)).tokens) == [":c"]
    # And when there is nothing else to do, nothing is left
    await desk.batch.handle([])
    assert list((await desk.run(moved)).tokens) == [":c"]
    assert not desk.server.signals.entries


async def test_signals_of_a_run_that_is_stepped_again_do_not_overtake_each_other() -> None:
    # Given a signal of a run that has to be stepped again
    desk = Desk()
    moved = await outdated(desk)
    await begun(desk, done(moved, ":b"))
    # When the one that it makes way for comes with the next batch
    await begun(desk, done(moved, ":c"))
    await desk.batch.handle([])
    # Then both counted, and the second was not stepped before the first
    assert (await desk.run(moved)).head.status == "COMPLETED"
    assert desk.metrics.stale._value.get() == 1
    assert not desk.server.rejected


async def test_what_keeps_a_signal_from_being_stepped_again_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a signal that has to be stepped again, and a coordinator that cannot
    desk = Desk()
    moved = await outdated(desk)
    await begun(desk, done(moved, ":b"))

    async def broken(_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(desk.store, "load", broken)
    # When it goes on, then it learns of that, and the signal stays
    with pytest.raises(ValueError, match="broken"):
        await desk.batch.handle([])
    assert len(desk.server.signals.entries) == 1
    # And once it can again, it claims the signal and takes it
    monkeypatch.undo()
    await desk.batch.handle(await desk.source.claim(0, 64))
    assert list((await desk.run(moved)).tokens) == [":c"]
    assert not desk.server.signals.entries
