"""`parallel` and other control nodes that only hand on what they were fired with."""

from __future__ import annotations

import pytest

from pointsman.plan import Kind
from tests.support.driven import Run, token
from tests.support.plans import control, edge, plan, task

PASSING: list[Kind] = ["parallel", "conditional", "join", "loop"]


@pytest.mark.parametrize("kind", PASSING)
def test_a_control_node_ends_as_it_begins_without_a_worker(kind: Kind) -> None:
    # Given a control node between a task and two others
    run = Run(plan(task("a"), control(kind, "p"), task("b"), task("c"), "a->p->b", "p->c"))
    # When the task ends
    change = run.complete("a", {"n": 1})
    # Then both are out in the same transition, each with its output
    assert run.open == {"b": "dispatched", "c": "dispatched"}
    assert (run.payload("b"), run.payload("c")) == ({"n": 1}, {"n": 1})
    # And the output stands in the event once: the control node names where it is
    assert (change.ended[token("p")].of, run.output_of("p")) == ((token("a"),), None)


def test_at_the_start_a_control_node_hands_on_the_input() -> None:
    # Given a plan that begins with one
    run = Run(plan(control("parallel", "p"), task("b"), "p->b"), {"n": 1})
    # Then what is behind it has the run's input
    assert run.payload("b") == {"n": 1}


def test_a_control_node_that_an_error_fired_hands_on_the_error() -> None:
    # Given a control node behind an error edge
    nodes = [task("a"), control("parallel", "p"), task("b")]
    run = Run(plan(*nodes, edge("a->p", on="error"), "p->b"))
    # When the node fails
    run.fail("a", "boom", "no luck")
    # Then what is behind can read why
    assert run.payload("b") == {"error": {"type": "boom", "message": "no luck"}}
