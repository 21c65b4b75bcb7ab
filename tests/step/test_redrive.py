"""What a person decides about a parked token: another attempt, or none. SEMANTICS §6."""

from __future__ import annotations

import pytest

from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Redrive, Skip
from pointsman.protocol.state import ErrorInfo
from pointsman.protocol.transition import Transition
from tests.support.driven import RUN, Run, token
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, plan, task

PARKED = plan(task("a", deadline_ms=500), task("b"), "a->b", failure_policy="park")


def parked(run: Run | None = None) -> Run:
    """A run that waits for what becomes of its first node."""
    run = run or Run(PARKED, {"order": 7})
    run.fail("a", "bank_closed")
    assert run.open == {"a": "parked"}
    return run


def redrive(run: Run, attempt: int = 1, payload: object = None) -> Transition:
    given = inline(payload) if payload is not None else None
    return run.take(Redrive(RUN, token("a"), attempt, given, "ann", "the bank is open"))


def skip(run: Run, attempt: int = 1) -> Transition:
    return run.take(Skip(RUN, token("a"), attempt, "ann", "paid in cash"))


def test_a_redrive_hands_a_parked_token_out_once_more() -> None:
    run = parked()
    # When somebody redrives it
    change = redrive(run)
    # Then it is out as the next attempt, with all the time the node has, and its letter is settled
    assert (run.open, run.task("a").attempt, run.payload("a")) == ({"a": "dispatched"}, 2, {"order": 7})
    assert (list(run.clock), change.unparked) == (["deadline::a"], (token("a"),))
    # And it goes on like any other
    run.complete("a", "paid")
    assert run.payload("b") == "paid"


def test_a_redriven_attempt_that_fails_is_another_dead_letter() -> None:
    run = parked()
    redrive(run)
    change = run.fail("a", "bank_closed")
    assert change.dead == (DeadToken(token("a"), 2, ErrorInfo("bank_closed"), "function", is_parked=True),)
    assert run.open == {"a": "parked"}


def test_another_input_stays_with_the_token_and_makes_earlier_results_late() -> None:
    # Given a token redriven with another input, while its run is paused
    run = parked()
    run.pause()
    redrive(run, payload={"order": 8})
    assert run.open == {"a": "held"}
    # When it goes out, then its worker is handed that
    run.resume()
    assert run.payload("a") == {"order": 8}
    # And again after its worker died
    run.lose("a")
    assert (run.payload("a"), run.task("a").attempt) == ({"order": 8}, 3)
    # And what the attempt before the redrive brings changes nothing
    assert run.complete("a", "late", attempt=1).reason == "late_attempt"
    run.complete("a", "paid", attempt=2)
    assert run.output_of("a") == "paid"


def test_a_result_of_an_earlier_attempt_counts_after_a_redrive_that_changed_nothing() -> None:
    run = parked()
    redrive(run)
    run.complete("a", "it came after all", attempt=1)
    assert (run.output_of("a"), run.open) == ("it came after all", {"b": "dispatched"})


@pytest.mark.parametrize("decide", [redrive, skip])
def test_only_the_failure_that_was_decided_about_is_decided(decide: object) -> None:
    assert callable(decide)
    # Given a token that is out
    run = Run(PARKED)
    assert decide(run).reason == "not_parked"
    # And one that was redriven meanwhile, and failed once more
    run = parked()
    redrive(run)
    run.fail("a")
    assert decide(run, 1).reason == "not_parked"
    assert decide(run, 2).reason == ""


def test_a_node_that_is_given_up_counts_as_skipped_with_all_that_only_comes_behind_it() -> None:
    # Given a join of which one branch is parked
    nodes = (task("a"), task("b"), task("c"), task("both"))
    run = Run(plan(*nodes, "a->b->both", "c->both", failure_policy="park"))
    run.fail("a")
    run.complete("c", 3)
    # When it is given up
    skip(run)
    # Then the other branch goes on alone
    assert run.ended == {"a": "skipped", "b": "skipped", "c": "completed"}
    assert (run.result("a").reason, run.payload("both")) == ("skipped_by_hand", 3)


def test_a_control_node_has_no_attempt_to_be_redriven() -> None:
    nodes = (task("s"), control("conditional", "a"), task("b"))
    run = Run(plan(*nodes, "s->a", edge("a->b", "output.missing"), failure_policy="park"))
    run.complete("s", {})
    assert run.open == {"a": "parked"}
    assert redrive(run).reason == "not_a_task"
    skip(run)
    assert (run.status, run.ended["a"]) == ("COMPLETED", "skipped")


def test_a_failure_that_an_edge_takes_is_no_dead_letter() -> None:
    run = Run(plan(task("a"), task("b"), edge("a->b", on="error")))
    assert run.fail("a").dead == ()


@pytest.mark.parametrize("policy", ["fail_fast", "continue"])
def test_a_failure_that_ends_its_run_is_a_dead_letter_that_nothing_waits_for(policy: str) -> None:
    run = Run(plan(task("a"), task("b"), failure_policy=policy))
    assert run.fail("a", "boom", "no luck").dead == (
        DeadToken(token("a"), 1, ErrorInfo("boom", "no luck"), "function"),
    )


def test_whatever_else_takes_a_parked_token_settles_its_letter() -> None:
    assert parked().complete("a", "by hand", attempt=1).unparked == (token("a"),)
    assert parked().cancel().unparked == (token("a"),)


def test_a_run_that_was_redriven_and_given_up_can_be_edited() -> None:
    # Given a run with a redriven node, and one that was given up
    nodes = (task("a"), task("x"), task("b"), task("c"))
    run = EditedRun(plan(*nodes, "a->b->c", failure_policy="park"))
    parts = run.program.plan
    run.fail("a")
    redrive(run, payload={"order": 8})
    run.fail("x")
    run.take(Skip(RUN, token("x"), 1))
    run.complete("a", "paid")
    # When a node is added behind the past
    more = plan(*nodes, task("n"), "a->b->c", "a->n", failure_policy="park")
    run.edit(more)
    # Then it is caught up with
    assert parts != more
    assert (run.open, run.payload("n")) == ({"b": "dispatched", "n": "dispatched"}, "paid")


def test_a_node_parked_by_what_followed_its_completion_is_done_anew_and_can_be_edited_then() -> None:
    # Given a node whose output its condition could not read
    run = EditedRun(plan(task("a"), task("b"), edge("a->b", "output.score > 1"), failure_policy="park"))
    run.complete("a", {})
    assert run.open == {"a": "parked"}
    # When it is redriven, and brings what is read
    redrive(run)
    run.complete("a", {"score": 2})
    assert run.open == {"b": "dispatched"}
    # Then an edit finds the run as it is
    run.edit(plan(task("a"), task("b"), task("n"), edge("a->b", "output.score > 1"), "b->n", failure_policy="park"))
    run.complete("b", 1)
    assert run.open == {"n": "dispatched"}
