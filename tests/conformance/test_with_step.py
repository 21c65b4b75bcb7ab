"""A store under the engine itself: it holds what `step` says, and no pass leaves anything behind."""

from __future__ import annotations

from typing import Any

from pointsman.base.ids import ROOT, split_token
from pointsman.plan import Retry
from pointsman.ports.run_store import Link
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.transition import Sealed
from tests.conformance.worlds import World
from tests.support.driven import RUN, Run
from tests.support.plans import edge, looping, plan, task


class Told(Run):
    """A run that keeps what is to be applied next."""

    def __init__(self, *args: Any) -> None:
        self.untold: list[Sealed] = []
        super().__init__(*args)

    def _write(self, sealed: Sealed) -> None:
        super()._write(sealed)
        self.untold.append(sealed)


def nested() -> Told:
    """`a`, then passes of `prep`, inner passes of `x`, which is tried twice, and `outer`; then `b`."""
    x = task("x", retry=Retry(max_attempts=2, backoff_ms=1))
    inner, outer = looping(task("inner"), "x", "output.again"), looping(task("outer"), "prep", "output.again")
    ways = ("a->prep->x->inner", edge("inner->outer"), edge("outer->b"))
    return Told(plan(task("a"), task("prep"), x, inner, outer, task("b"), *ways))


async def agrees(world: World, run: Told) -> list[HistoryRecord]:
    """Apply what was stepped; then store and engine hold the same, and the history only what is still of use."""
    assert await world.store.apply([Link(sealed) for sealed in run.untold]) == ["applied"] * len(run.untold)
    run.untold.clear()
    assert await world.store.load([RUN]) == {RUN: run.snapshot}
    found = await world.store.recall(RUN)
    assert found is not None
    assert found.run == run.snapshot
    assert await world.counter(RUN) == len(run.snapshot.tokens)
    assert await world.timers() == sorted(
        f"{RUN} {name} {timer.generation} {timer.due}" for name, timer in run.clock.items()
    )
    frames = {ROOT, *run.snapshot.frames}
    assert [record for record in found.history if record.token and split_token(record.token)[0] not in frames] == []
    return found.history


async def test_nested_loops_leave_one_record_each(world: World) -> None:
    # Given a run with a loop in a loop
    run = nested()
    await world.store.start(run.untold.pop(0), b"{}")
    run.complete("a")
    # When both go round, with a failure and its timer in each inner pass
    for around in range(1, 4):
        outer = f"outer[{around}]"
        run.complete(f"{outer}:prep", {"n": around})
        for within in range(1, 4):
            inner = f"{outer}/inner[{within}]"
            run.fail(f"{inner}:x")
            await agrees(world, run)
            assert await world.store.fire_timers(10) == 1
            run.fire(f"retry:{inner}:x")
            run.complete(f"{inner}:x", {"n": within}, attempt=2)
            run.complete(f"{inner}:inner", {"again": within < 3})
            assert len(await agrees(world, run)) == 3 + (around > 1)
        run.complete(f"{outer}:outer", {"again": around < 3})
        await agrees(world, run)
    # Then all that is left of nine inner and three outer passes is that the last one ended
    records = await agrees(world, run)
    assert [(record.token, type(record.fact).__name__) for record in records] == [
        (":a", "Completed"),
        (":outer", "EndedPass"),
    ]
    assert isinstance(ended := records[1].fact, EndedPass)
    assert (ended.frame, [note.kind for note in ended.notes]) == ("outer[3]", ["pass_ended"])
    # And the run ends and goes
    run.complete("b")
    await agrees(world, run)
    assert await world.store.finish([RUN]) == [True]
    assert await world.tasks("function") == []
    assert await world.timers() == []
