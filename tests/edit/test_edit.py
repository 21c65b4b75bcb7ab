"""Editing a run: the past stays, the future follows the new plan, and when the edit lands makes no difference."""

from __future__ import annotations

import pytest

from pointsman.base.errors import EditRefused
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, looping, plan, task

LINE = (task("a"), task("b"), "a->b")


def codes(refused: pytest.ExceptionInfo[EditRefused]) -> list[str]:
    return [problem.code for problem in refused.value.problems]


def test_a_node_added_behind_one_that_ended_is_dispatched_at_once_with_its_output() -> None:
    # Given a run whose first node ended and whose second is running
    run = EditedRun(plan(*LINE))
    run.complete("a", {"x": 1})
    # When a node is added behind the first
    run.edit(plan(*LINE, task("n"), "a->n"))
    # Then it is out, with the stored output, and the running one was not touched
    assert run.open == {"b": "dispatched", "n": "dispatched"}
    assert run.payload("n") == {"x": 1}
    assert run.snapshot.head.revision == 2


def test_the_same_edit_before_or_after_a_node_ends_gives_the_same_run() -> None:
    # Given two runs of one plan
    early, late = EditedRun(plan(*LINE)), EditedRun(plan(*LINE))
    wanted = plan(*LINE, task("n"), "a->n")
    # When one is edited before its first node ends, the other after
    early.edit(wanted)
    early.complete("a", {"x": 1})
    late.complete("a", {"x": 1})
    late.edit(wanted)
    # Then both stand in the same place
    assert early.open == late.open
    assert early.ended == late.ended
    assert early.payload("n") == late.payload("n")


def test_an_edge_added_into_a_waiting_join_makes_it_wait_for_that_too() -> None:
    # Given a join that waits for one of its two branches
    before = (task("a"), task("b"), task("j"), "a->j", "b->j")
    run = EditedRun(plan(*before))
    run.complete("a")
    # When a third branch is added
    run.edit(plan(*before, task("c"), "c->j"))
    run.complete("b")
    # Then the join waits for it
    assert run.open == {"c": "dispatched"}
    run.complete("c")
    assert run.open == {"j": "dispatched"}


def test_an_edge_added_into_a_running_node_is_refused_and_named() -> None:
    # Given a run whose second node is running
    run = EditedRun(plan(*LINE))
    run.complete("a")
    before = run.snapshot
    # When an edge into it from a node yet to run is added
    with pytest.raises(EditRefused) as refused:
        run.weigh(plan(*LINE, task("n"), "n->b"))
    # Then it is refused, with the reason, and the run is as it was
    assert codes(refused) == ["EDT021"]
    assert run.snapshot == before


def test_an_edge_behind_a_condition_that_chose_otherwise_resolves_dead() -> None:
    # Given a branch that was decided for `yes`
    before = (control("conditional", "c"), task("yes"), task("no"), edge("c->yes", "input.x > 0"), edge("c->no"))
    run = EditedRun(plan(*before), {"x": 1})
    assert run.open == {"yes": "dispatched"}
    # When a way behind the other branch is added
    run.edit(plan(*before, task("n"), "no->n"))
    # Then what is behind it is skipped, visibly
    assert run.open == {"yes": "dispatched"}
    assert run.ended["n"] == "skipped"


def test_an_edge_that_would_have_won_over_one_that_fired_is_refused() -> None:
    # Given a branch that fell to its default
    before = (task("a"), task("other"), edge("a->other"))
    run = EditedRun(plan(*before))
    run.complete("a", {"x": 5})
    assert run.open == {"other": "dispatched"}
    # When an edge with a condition that holds is added beside the default
    with pytest.raises(EditRefused) as refused:
        run.weigh(plan(*before, task("n"), edge("a->n", "output.x > 1")))
    # Then the edge that fired is kept
    assert codes(refused) == ["EDT021"]


def test_a_loop_body_is_edited_for_the_pass_that_is_open_and_those_after_it() -> None:
    # Given a loop of two nodes in its second pass
    score = looping(task("score"), "draft", "output.x < 3")
    before = (task("draft"), score, task("end"), "draft->score", "score->end")
    run = EditedRun(plan(*before))
    run.complete("score[1]:draft")
    run.complete("score[1]:score", {"x": 1})
    assert run.open == {"score[2]:draft": "dispatched"}
    # When a node is added between them
    run.edit(plan(*before, task("check"), "draft->check", "check->score"))
    run.complete("score[2]:draft")
    # Then this pass takes it, and the next one too
    assert run.open == {"score[2]:check": "dispatched"}
    run.complete("score[2]:check")
    run.complete("score[2]:score", {"x": 2})
    run.complete("score[3]:draft")
    assert run.open == {"score[3]:check": "dispatched"}


def test_a_node_behind_a_loop_that_was_left_is_caught_up_with() -> None:
    # Given a loop that was left after two passes
    score = looping(task("score"), "score", "output.x < 2")
    before = (score, task("end"), "score->end")
    run = EditedRun(plan(*before))
    run.complete("score[1]:score", {"x": 1})
    run.complete("score[2]:score", {"x": 2})
    assert run.open == {"end": "dispatched"}
    # When a node is added behind it
    run.edit(plan(*before, task("n"), "score->n"))
    # Then it is out, with the output of the last pass
    assert run.open == {"end": "dispatched", "n": "dispatched"}
    assert run.payload("n") == {"x": 2}


def test_what_is_added_while_a_run_is_paused_is_held() -> None:
    # Given a paused run
    run = EditedRun(plan(*LINE))
    run.pause()
    # When a start node is added
    run.edit(plan(*LINE, task("n")))
    # Then it is held, and goes out on resume
    assert run.open == {"a": "dispatched", "n": "held"}
    run.resume()
    assert run.open == {"a": "dispatched", "n": "dispatched"}


def test_a_retry_under_way_survives_an_edit_with_its_attempt_and_timer() -> None:
    # Given a node that backs off
    from pointsman.plan import Retry

    nodes = (task("a", retry=Retry(max_attempts=3, backoff_ms=50)), task("b"), "a->b")
    run = EditedRun(plan(*nodes))
    run.fail("a")
    clock = dict(run.clock)
    # When something is added elsewhere
    run.edit(plan(*nodes, task("n"), "b->n"))
    # Then it backs off as before
    assert run.open == {"a": "backing_off"}
    assert run.clock == clock
    run.fire("retry::a")
    assert run.task("a").attempt == 2


def test_a_second_edit_builds_on_what_the_first_one_caught_up_with() -> None:
    # Given a run that was edited once and went on
    run = EditedRun(plan(*LINE))
    run.complete("a", {"x": 1})
    first = (*LINE, task("n"), "a->n")
    run.edit(plan(*first))
    run.complete("n", {"x": 2})
    # When it is edited again
    run.edit(plan(*first, task("m"), "n->m"))
    # Then the node behind the added one is out
    assert run.open == {"b": "dispatched", "m": "dispatched"}
    assert run.payload("m") == {"x": 2}
