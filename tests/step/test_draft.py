"""The working copy of one step: what it collects, and that it leaves the snapshot alone."""

from __future__ import annotations

import msgspec

from pointsman.base.ids import FrameId, Millis, TimerId
from pointsman.protocol.state import OpenToken, Result, Snapshot, Timer
from pointsman.step.draft import Draft
from pointsman.step.program import Program
from tests.support.driven import Run, cel, head_of, token
from tests.support.plans import looping, plan, task

A, B = token("a"), token("b")


def draft_of(run: Snapshot | None = None) -> Draft:
    """A draft on a snapshot, of a run that has not begun unless given."""
    graph = plan(task("a"), task("b"))
    return Draft(Program(graph, cel()), run or Snapshot(head_of(graph)), Millis(1_000))


def test_reads_see_the_snapshot_with_the_changes_so_far() -> None:
    # Given a draft on a run with one task out
    draft = draft_of(Run(plan(task("a"))).snapshot)
    # When a token is opened and the other closed
    draft.set_token(B, OpenToken("held"))
    draft.end(A, Result("completed"))
    # Then reads see that, and the snapshot does not
    assert (draft.token(A), draft.token(B)) == (None, OpenToken("held"))
    assert (dict(draft.tokens()), draft.open_count()) == ({B: OpenToken("held")}, 1)
    assert draft.result(A) == Result("completed")
    assert list(draft.run.tokens) == [A]
    assert draft.run.results == {}


def test_a_token_opened_and_closed_in_one_step_leaves_no_trace() -> None:
    # Given a draft in which a token is opened, with a timer
    draft = draft_of()
    timer = TimerId("deadline::a")
    draft.set_token(A, OpenToken("held", timers={timer: draft.arm(timer, 50)}))
    # When it is closed again
    draft.close_token(A)
    # Then nothing is opened, closed, armed or disarmed
    made = draft.finish("test", None)
    assert (made.opened, made.closed, made.armed, made.disarmed) == ({}, (), {}, {})


def test_a_token_closed_and_opened_again_is_open() -> None:
    # Given a draft on a run with one task out
    draft = draft_of(Run(plan(task("a"))).snapshot)
    # When its token is closed, and then kept after all
    draft.close_token(A)
    draft.set_token(A, OpenToken("parked"))
    # Then it is open, and its entry is withdrawn
    made = draft.finish("test", None)
    assert (made.opened, made.closed, made.withdrawn) == ({A: OpenToken("parked")}, (), {A: "function"})
    assert draft.open_count() == 1


def test_a_timer_armed_again_is_first_taken_off_the_clock() -> None:
    # Given a draft on a run with a timer of generation 1
    draft = draft_of(Run(plan(task("a", timeout_ms=50))).snapshot)
    timer, state = TimerId("timeout::a"), draft.run.tokens[A]
    # When it is replaced
    draft.disarm(timer, state.timers[timer])
    again = draft.arm(timer, 70)
    # Then both stand in the transition, each with its generation
    made = draft.finish("test", None)
    assert again == Timer(2, Millis(1_070))
    assert (made.disarmed, made.armed) == ({timer: 1}, {timer: again})


def test_a_frame_that_ended_is_not_open_in_the_same_step() -> None:
    # Given a draft on a run in the first pass of a loop
    graph = plan(looping(task("a"), "a", "true"))
    draft = Draft(Program(graph, cel()), Run(graph).snapshot, Millis(1_000))
    first, second = FrameId("a[1]"), FrameId("a[2]")
    assert (draft.has_frame(first), draft.has_frame(FrameId(""))) == (True, True)
    # When the pass ends and the next begins
    draft.end_frame(first)
    draft.open_frame(second, 2)
    # Then only the next is open
    assert (draft.has_frame(first), draft.has_frame(second), draft.frames_within("a")) == (False, True, [second])


def test_a_draft_that_is_dropped_has_changed_nothing() -> None:
    # Given a run
    run = Run(plan(task("a", timeout_ms=50))).snapshot
    before = msgspec.json.encode(run)
    # When a draft on it does all it can, and is dropped
    draft = draft_of(run)
    draft.end(A, Result("failed"))
    draft.set_token(B, OpenToken("held"))
    draft.open_frame(FrameId("x[1]"), 1)
    draft.resolve_in(B, token("a->b"), "live")  # type: ignore[arg-type]
    draft.finish("test", None)
    # Then the run is as it was
    assert msgspec.json.encode(run) == before
