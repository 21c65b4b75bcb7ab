"""A wait ends when its time has come."""

from __future__ import annotations

import pytest

from tests.support.driven import START, Run
from tests.support.plans import control, edge, plan, task


def test_a_wait_sleeps_and_then_hands_on_what_it_was_given() -> None:
    # Given a wait between two tasks
    run = Run(plan(task("a"), control("wait", "w", wait=250), task("b"), "a->w->b"))
    run.complete("a", {"n": 1})
    assert run.open == {"w": "sleeping"}
    assert run.clock["wait::w"].due == START + 250
    # When its time has come
    run.fire("wait::w")
    # Then the next is handed the output from before it
    assert (run.open, run.payload("b")) == ({"b": "dispatched"}, {"n": 1})


def test_the_time_may_be_an_expression() -> None:
    # Given a wait as long as its predecessor says
    run = Run(plan(task("a"), control("wait", "w", wait="ctx.a.output.s * 1000"), "a->w"))
    # When that is known
    run.complete("a", {"s": 3})
    # Then it waits that long
    assert run.clock["wait::w"].due == START + 3_000


@pytest.mark.parametrize("wait", [0, None, "0", "1 - 1"])
def test_a_wait_of_no_time_ends_at_once(wait: int | str | None) -> None:
    # Given a wait of nothing
    run = Run(plan(control("wait", "w", wait=wait), task("b"), "w->b"), "input")
    # Then the run is past it
    assert (run.open, run.payload("b")) == ({"b": "dispatched"}, "input")


@pytest.mark.parametrize("wait", ["-1", "input.missing", '"soon"', "true", "1e30"])
def test_a_wait_that_is_no_time_fails_the_node(wait: str) -> None:
    # Given a wait whose expression gives something else
    run = Run(plan(control("wait", "w", wait=wait), task("b"), edge("w->b", on="error")))
    # Then the node has failed, and its error edge is live
    assert (run.open, run.ended) == ({"b": "dispatched"}, {"w": "failed"})
    assert run.error_of("w") == "wait_error"


def test_a_worker_cannot_end_a_wait() -> None:
    # Given a wait
    run = Run(plan(control("wait", "w", wait=250)))
    # When a completion names it
    change = run.complete("w", attempt=1)
    # Then it sleeps on
    assert (change.reason, run.open) == ("not_dispatched", {"w": "sleeping"})
