"""What the end of a node leads to: failures, policies, skips (SEMANTICS §3.3, §6)."""

from __future__ import annotations

import pytest

from pointsman.plan import FailurePolicy, Node, Retry
from pointsman.protocol.state import ErrorInfo, OpenToken
from tests.support.driven import START, Run, token
from tests.support.plans import control, edge, looping, plan, task


def side_by_side(policy: FailurePolicy) -> Run:
    """`a`, with `b` behind it, beside `x`, with `y` behind it."""
    nodes = [task(name) for name in "abxy"]
    return Run(plan(*nodes, "a->b", "x->y", failure_policy=policy))


def test_fail_fast_closes_the_open_tokens_and_fails_the_run() -> None:
    # Given two tasks out
    run = side_by_side("fail_fast")
    # When one fails
    change = run.fail("a", "boom", "no luck")
    # Then the other is closed, and nothing more begins
    assert (run.status, run.open) == ("FAILED", {})
    assert run.ended == {"a": "failed", "x": "cancelled"}
    assert run.result("x").reason == "run_failed"
    assert change.withdrawn == {":a": "function", ":x": "function"}
    assert run.snapshot.head.error == ErrorInfo("boom", "node `a` failed: no luck")


def test_continue_finishes_what_does_not_depend_on_the_failure() -> None:
    # Given two tasks out
    run = side_by_side("continue")
    # When one fails
    run.fail("a")
    # Then what depends on it is skipped, and the run goes on
    assert (run.status, run.open) == ("RUNNING", {"x": "dispatched"})
    assert (run.ended, run.result("b").reason) == ({"a": "failed", "b": "skipped"}, "upstream_failed")
    run.complete("x")
    run.complete("y")
    # And fails when that is finished
    assert (run.status, run.error) == ("FAILED", "boom")


def test_the_first_failure_is_the_error_of_a_run_that_went_on() -> None:
    # Given a run that goes on after failures
    run = side_by_side("continue")
    # When two come
    run.fail("a", "first")
    run.fail("x", "second")
    # Then it failed by the first
    assert (run.status, run.error) == ("FAILED", "first")


def test_park_leaves_the_token_open_as_a_dead_letter() -> None:
    # Given two tasks out, one with a deadline
    nodes = [task("a", deadline_ms=500), task("b"), task("x")]
    run = Run(plan(*nodes, "a->b", failure_policy="park"))
    # When it fails
    change = run.fail("a", "boom", "no luck")
    # Then it waits for somebody, off its stream and off the clock
    dead_letter = OpenToken(
        "parked",
        activated_at=run.snapshot.head.created_at,
        dispatched_at=run.snapshot.head.created_at,
        error=ErrorInfo("boom", "no luck"),
    )
    assert run.snapshot.tokens[token("a")] == dead_letter
    assert (change.withdrawn, run.clock, run.notes) == ({":a": "function"}, {}, ["node_parked"])
    # And the run stays open for it
    run.complete("x")
    assert (run.status, run.open) == ("RUNNING", {"a": "parked"})


def test_a_late_completion_ends_a_dead_letter() -> None:
    # Given a dead letter whose worker was only slow
    run = Run(plan(task("a", timeout_ms=50), failure_policy="park"))
    run.fire("timeout::a")
    assert run.open == {"a": "parked"}
    # When it completes after all
    run.complete("a", "late", attempt=1)
    # Then that is the result
    assert (run.status, run.output) == ("COMPLETED", {"a": "late"})


def test_a_failure_does_not_touch_a_dead_letter_again() -> None:
    # Given a dead letter
    run = Run(plan(task("a"), failure_policy="park"))
    run.fail("a")
    # When its failure is delivered again
    assert run.fail("a", attempt=1).reason == "late_attempt"


@pytest.mark.parametrize("node", [task("a"), looping(task("a"), "a", "true", 1)])
def test_a_node_that_completed_before_it_was_parked_takes_no_second_completion(node: Node) -> None:
    # Given a node that is parked because of what followed its completion
    run = Run(plan(node, task("b"), edge("a->b", "output.missing"), failure_policy="park"))
    name = next(iter(run.open))
    run.complete(name, {})
    assert set(run.open.values()) == {"parked"}
    # When the worker reports a second time
    change = run.complete(name, {"missing": True}, attempt=1)
    # Then the first stands
    assert change.reason == "late_attempt"


def test_nobody_can_complete_a_control_node_that_is_parked() -> None:
    # Given a conditional that is parked because its condition raised
    nodes = [task("s"), control("conditional", "a"), task("b")]
    run = Run(plan(*nodes, "s->a", edge("a->b", "output.missing"), failure_policy="park"))
    run.complete("s", {})
    assert run.open == {"a": "parked"}
    # When a completion names it
    assert run.complete("a", attempt=1).reason == "not_dispatched"


def test_a_policy_of_the_node_goes_before_that_of_the_plan() -> None:
    # Given a plan that fails fast with a node that does not
    run = Run(plan(task("a", failure_policy="continue"), task("x")))
    # When that fails
    run.fail("a")
    # Then the run goes on
    assert run.open == {"x": "dispatched"}


def test_an_error_edge_goes_before_every_policy() -> None:
    for policy in ("fail_fast", "continue", "park"):
        # Given a node with an error edge
        run = Run(plan(task("a"), task("b"), task("c"), "a->b", edge("a->c", on="error"), failure_policy=policy))
        # When it fails
        run.fail("a")
        # Then the failure is handled: the success edge is dead, and the run can complete
        assert (run.open, run.ended) == ({"c": "dispatched"}, {"a": "failed", "b": "skipped"})
        run.complete("c")
        assert run.status == "COMPLETED"


def test_retries_come_before_error_edges() -> None:
    # Given a node with both
    run = Run(plan(task("a", retry=Retry(2, 0)), task("c"), edge("a->c", on="error")))
    # When it fails twice
    run.fail("a")
    assert run.open == {"a": "backing_off"}
    run.fire("retry::a")
    run.fail("a")
    # Then the edge is taken after the second
    assert run.open == {"c": "dispatched"}


def test_error_edges_can_choose_by_the_error() -> None:
    # Given two error edges with conditions
    ways = (
        edge("a->b", 'output.error.type == "http_404"', on="error"),
        edge("a->c", 'output.error.message.contains("later")', on="error"),
    )
    run = Run(plan(task("a"), task("b"), task("c"), *ways))
    # When the node fails
    run.fail("a", "http_503", "try later")
    # Then the one that fits is live
    assert (run.open, run.ended) == ({"c": "dispatched"}, {"a": "failed", "b": "skipped"})


@pytest.mark.parametrize("condition", ['output.error.type == "other"', "output.missing"])
def test_a_failure_that_no_error_edge_fits_is_unhandled(condition: str) -> None:
    # Given an error edge whose condition is false, or raises
    run = Run(plan(task("a"), task("b"), edge("a->b", condition, on="error")))
    # When the node fails
    run.fail("a")
    # Then the policy decides
    assert (run.status, run.error) == ("FAILED", "boom")


def test_an_unhandled_failure_fails_all_edges_also_those_for_errors() -> None:
    # Given a node whose error edge does not fit, in a run that goes on
    ways = ("a->b", edge("a->c", "false", on="error"))
    run = Run(plan(task("a"), task("b"), task("c"), *ways, failure_policy="continue"))
    # When it fails
    run.fail("a")
    # Then both are skipped because of it
    assert {name: run.result(name).reason for name in "bc"} == {"b": "upstream_failed", "c": "upstream_failed"}


def test_skips_go_as_far_as_they_reach_in_one_transition() -> None:
    # Given a long chain of all kinds behind a branch, with a join that has another way in
    middle = [task("b"), control("parallel", "c"), control("wait", "d", wait=5), looping(task("e"), "e", "true")]
    ways = (edge("a->b", "output"), edge("a->j", "!output"), "b->c->d->e->j->z")
    run = Run(plan(task("a"), *middle, control("join", "j"), task("z"), *ways))
    # When the branch is not taken
    change = run.complete("a", False)
    # Then all of it is skipped there and then, visibly, and none of it was ever open
    assert {str(name): result.status for name, result in change.ended.items()} == {
        ":a": "completed",
        ":b": "skipped",
        ":c": "skipped",
        ":d": "skipped",
        ":e": "skipped",
        ":j": "completed",
    }
    assert list(change.opened) == [":z"]
    assert change.tokens_made == 2


def test_what_failed_is_recorded_with_when_it_began_and_ended() -> None:
    # Given a task that fails after a while
    run = Run(plan(task("a")))
    run.now += 40
    # When it does
    run.fail("a")
    # Then the result says so
    assert (run.result("a").started_at, run.result("a").ended_at) == (START, START + 40)
