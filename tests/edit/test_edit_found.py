"""What random search has found, each as small as it came: passes that ended, skips, and edits that are taken back."""

from __future__ import annotations

import pytest

from pointsman.base.errors import EditRefused
from pointsman.base.ids import Millis
from pointsman.plan import Join, Plan, Retry
from pointsman.protocol.transition import seal
from pointsman.step import advance
from pointsman.step.recover import recover
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, looping, plan, task


def retaken(run: EditedRun, other: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """The run's tokens and outcomes after an edit that was taken back at once."""
    before = run.program.plan
    run.edit(other)
    run.edit(before)
    return run.open, run.ended


def test_what_was_added_behind_a_branch_not_taken_can_be_taken_back() -> None:
    # Given a run in which one branch was not taken
    parts = (task("a"), task("yes"), task("no"), edge("a->yes", "output.x > 0"), edge("a->no"))
    run = EditedRun(plan(*parts))
    run.complete("a", {"x": 1})
    stands = run.open, run.ended
    # When a node is added behind it, and is skipped at once
    # Then taking it back leaves no trace, though it has a past
    assert retaken(run, plan(*parts, task("n"), "no->n")) == stands


def test_a_node_that_was_skipped_takes_changes_that_bring_it_back() -> None:
    # Given a run in which a node was skipped, for nothing led to it any more
    parts = (task("a"), task("b"), task("n"), edge("a->n", "output.x > 0"))
    run = EditedRun(plan(*parts))
    run.complete("a", {"x": 0})
    assert run.ended["n"] == "skipped"
    # When it is changed, and another way leads to it
    changed = task("n", config={"to": "x"})
    run.edit(plan(task("a"), task("b"), changed, edge("a->n", "output.x > 0"), "b->n"))
    # Then it comes after all
    run.complete("b")
    assert run.open == {"n": "dispatched"}


def test_an_edit_that_lets_a_task_begin_sooner_than_it_did_can_be_taken_back() -> None:
    # Given a task that began when a second branch had gone another way, and not with the first
    parts = (task("first"), task("second"), task("n"), "first->n")
    run = EditedRun(plan(*parts, edge("second->n", "output.x > 0")))
    for name in ("first", "second"):
        run.now += 1
        run.complete(name, {"x": 0})
    stands = run.open, run.ended
    # When the edge from there is removed and added again
    # Then what counts is when the task began, not when it might have
    assert retaken(run, plan(*parts)) == stands


def test_a_task_that_was_held_back_by_a_pause_began_when_it_was_activated() -> None:
    # Given a task that was activated while its run was paused, and went out when that went on
    parts = (task("first"), task("second"), task("n"), "first->n")
    run = EditedRun(plan(*parts, edge("second->n", "output.x > 0")))
    run.complete("first", {"x": 0})
    for happens in (run.pause, lambda: run.complete("second", {"x": 0}), run.resume):
        run.now += 1
        happens()
    stands = run.open, run.ended
    # When an edit lets it begin before the pause, and is taken back
    # Then that is no other beginning
    assert retaken(run, plan(*parts)) == stands


def test_a_task_that_would_have_begun_later_than_it_did_refuses_the_edit() -> None:
    # Given a task that is running, and another that has ended since
    parts = (task("first"), task("second"), task("n"), "first->n")
    run = EditedRun(plan(*parts))
    for name in ("first", "second"):
        run.now += 1
        run.complete(name, {"x": 0})
    # When an edge is added that would have made it wait for the other, whichever way that one went
    with pytest.raises(EditRefused) as refused:
        run.edit(plan(*parts, edge("second->n", "output.x > 0")))
    # Then it is refused
    assert [(problem.code, problem.pointer) for problem in refused.value.problems] == [("EDT025", "/nodes/n")]


def test_what_leads_to_what_in_a_body_may_change_once_its_passes_have_ended() -> None:
    # Given a run behind a loop in which two nodes began at once
    score = looping(task("score"), "begin", "output.x > 9")
    body = (control("parallel", "begin"), task("left"), task("right"), score, "begin->left", "begin->right")
    parts = (*body, task("end"), "left->score", "right->score", "score->end")
    run = EditedRun(plan(*parts))
    for name in ("left", "right", "score"):
        run.complete(f"score[1]:{name}", {"x": 1})
    # When one of them shall wait for the other
    run.edit(plan(*parts, "left->right"))
    # Then the pass is what it was, whatever the plan would make of it now
    assert run.open == {"end": "dispatched"}


def test_a_loop_that_ended_by_a_timeout_is_replayed_as_one_that_did() -> None:
    # Given a loop whose last node took too long, which an edge handles
    last = looping(task("a", timeout_ms=100), "a", "output.x > 0")
    parts = (last, task("b"), task("late"), edge("a->late", on="timeout"), edge("a->b", on="error"))
    run = EditedRun(plan(*parts))
    run.fire("timeout:a[1]:a")
    assert run.open == {"late": "dispatched"}
    # When the run is edited
    run.edit(plan(*parts, task("n"), "late->n"))
    # Then it goes on from there
    run.complete("late")
    assert run.open == {"n": "dispatched"}


def test_a_run_takes_edits_behind_passes_that_ended_at_once() -> None:
    # Given a loop that waits for a task in its first pass and in no other
    close = looping(control("join", "close", join=Join("any")), "begin", "loop.iteration < 9", most=3)
    body = (control("parallel", "begin"), task("t"), close, edge("begin->close", "output.x > 0"), edge("begin->t"))
    parts = (task("a"), *body, task("end"), "a->begin", "t->close", edge("close->end", leave="timeout"))
    run = EditedRun(plan(*parts))
    run.complete("a", {"x": 0})
    assert run.open == {"close[1]:t": "dispatched"}
    # When the task ends, and with it that pass and all others
    run.complete("close[1]:t", {"x": 1})
    assert run.open == {"end": "dispatched"}
    # Then the run takes an edit, and stands where it stood
    run.edit(plan(*parts, task("n"), "a->n"))
    assert run.open == {"end": "dispatched", "n": "dispatched"}


def test_a_late_completion_of_an_attempt_that_a_recovery_handed_out_is_replayed() -> None:
    # Given a task that a recovery handed out again, whose new attempt took too long, and completed while it backed off
    parts = (task("a", timeout_ms=100, retry=Retry(3)), task("b"), "a->b")
    run = EditedRun(plan(*parts))
    recovered(run)
    run.fire("timeout::a")
    assert run.open == {"a": "backing_off"}
    run.complete("a", {"x": 1}, attempt=2)
    assert run.open == {"b": "dispatched"}
    # When the run is edited, whose history has nothing of the recovery
    run.edit(plan(*parts, task("n"), "a->n"))
    # Then it stands where it stood, and goes on
    assert run.open == {"b": "dispatched", "n": "dispatched"}
    assert run.output_of("a") == {"x": 1}


def recovered(run: EditedRun) -> None:
    """Have the run rebuilt from its journal: what was out goes out once more."""
    sealed = seal(recover(run.program, run.snapshot, Millis(run.now)))
    advance(run.snapshot, sealed.transition, sealed.tip)
    run._write(sealed)
