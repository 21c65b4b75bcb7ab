"""Keeping replays: the one of the plan a run has, the last ones, and not too many."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pointsman.base.ids import Digest, RunId
from pointsman.edit import Replay
from pointsman.execute import replays
from pointsman.execute.replays import Replays
from pointsman.protocol.output import inline
from pointsman.protocol.state import Snapshot
from tests.support.edited import EditedRun
from tests.support.plans import plan, task

RUN = EditedRun(plan(task("a"), task("b"), "a->b"))
RUN.complete("a", {"text": "x" * 1_000})


def named(name: str) -> Snapshot:
    """A run of that id, with an output of about a thousand bytes."""
    run = RUN.snapshot
    return Snapshot(replace(run.head, run_id=RunId(name)), run.tokens, run.results, run.joins, run.frames)


def test_a_run_is_replayed_on_from_where_it_was_known() -> None:
    # Given a replay of a run
    kept = Replays()
    first = kept.of(named("run_1"), RUN.program)
    # When it is asked for again, as the run has the same plan, and as it has another
    again = kept.of(named("run_1"), RUN.program)
    other = named("run_1")
    other.head.plan = Digest("c" * 64)
    # Then it is the same only where the plan is
    assert again is first
    assert kept.of(other, RUN.program) is not first


def test_an_edit_that_landed_leaves_its_replay_for_the_next() -> None:
    # Given an edit that has given a run another plan
    kept, after = Replays(), Replay(RUN.program)
    run = named("run_1")
    kept.of(run, RUN.program)
    kept.keep(run, Digest("c" * 64), after)
    # When the run is edited again
    run.head.plan = Digest("c" * 64)
    # Then what was replayed on the new plan need not be replayed anew
    assert kept.of(run, RUN.program) is after


def test_what_replays_take_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given room for the replays of two runs
    monkeypatch.setattr(replays, "MOST_BYTES", 2 * (3_000 + len(inline({"text": "x" * 1_000}).data)))
    kept = Replays()
    one, two = (kept.of(named(name), RUN.program) for name in ("run_1", "run_2"))
    # When the first is asked for again, and then one more comes
    assert kept.of(named("run_1"), RUN.program) is one
    kept.of(named("run_3"), RUN.program)
    # Then that which was asked for longest ago is gone
    assert kept.of(named("run_1"), RUN.program) is one
    assert kept.of(named("run_2"), RUN.program) is not two
