"""Which out-edges are taken: SEMANTICS §3.1, §3.4, §3.5."""

from __future__ import annotations

import pytest

from pointsman.plan import Node
from tests.support.driven import Run
from tests.support.plans import control, edge, plan, task


def fork(*edges: str | tuple[str, str], **fields: object) -> Run:
    """A run whose node `a` has these out-edges: `b` alone, or `b` with a condition."""
    ways = [(way, None) if isinstance(way, str) else way for way in edges]
    targets = [task(name) for name in dict.fromkeys(way[0] for way in ways)]
    made = [edge(f"a->{name}", when, name=f"a->{name} {place}") for place, (name, when) in enumerate(ways)]
    return Run(plan(task("a", **fields), *targets, *made))


@pytest.mark.parametrize(("score", "taken"), [(90, "b"), (60, "c"), (10, "d")])
def test_the_first_true_condition_as_written_is_taken(score: int, taken: str) -> None:
    # Given edges of which several conditions are true at once
    run = fork(("b", "output.score > 80"), ("c", "output.score > 50"), "d")
    # When the node ends
    run.complete("a", {"score": score})
    # Then only the first true one is live, the default only where none is, and the others are skipped
    assert run.open == {taken: "dispatched"}
    assert run.ended == {"a": "completed"} | {name: "skipped" for name in "bcd" if name != taken}


def test_written_order_decides_between_two_true_conditions() -> None:
    # Given the two conditions of the test above in the other order
    run = fork(("c", "output.score > 50"), ("b", "output.score > 80"))
    # When both are true
    run.complete("a", {"score": 90})
    # Then the one that is written first wins
    assert run.open == {"c": "dispatched"}


def test_edges_with_the_same_condition_form_one_group() -> None:
    # Given three edges with one condition, not side by side
    run = fork(("b", "output > 1"), ("c", "output > 0"), ("d", "output > 1"), "e")
    # When it is the first that is true
    run.complete("a", 5)
    # Then all of the group are live
    assert run.open == {"b": "dispatched", "d": "dispatched"}


def test_edges_without_conditions_are_all_live() -> None:
    # Given a node without conditional edges
    run = fork("b", "c")
    # When it ends
    run.complete("a")
    # Then each of its edges is live
    assert run.open == {"b": "dispatched", "c": "dispatched"}


def test_all_defaults_are_live_where_no_condition_is_true() -> None:
    # Given two edges without a condition beside one with
    run = fork(("b", "output > 1"), "c", "d")
    # When the condition is false
    run.complete("a", 0)
    # Then both are live
    assert run.open == {"c": "dispatched", "d": "dispatched"}


def test_a_run_that_takes_no_branch_says_so_and_skips_what_is_behind() -> None:
    # Given conditions without a default, and a chain behind
    run = Run(plan(task("a"), task("b"), task("c"), edge("a->b", "output > 1"), "b->c"))
    # When none is true
    run.complete("a", 0)
    # Then everything behind is skipped in the same transition, which says why, and nothing is left to do
    assert run.notes == ["no_branch_taken"]
    assert run.ended == {"a": "completed", "b": "skipped", "c": "skipped"}
    assert run.status == "COMPLETED"


def test_route_all_takes_every_true_edge_and_those_without_condition() -> None:
    # Given a node that routes to all
    run = fork(("b", "output > 1"), ("c", "output > 0"), ("d", "output > 9"), "e", route="all")
    # When some are true
    run.complete("a", 5)
    # Then these are live, and so is the one without a condition
    assert run.open == {"b": "dispatched", "c": "dispatched", "e": "dispatched"}


def test_error_edges_are_dead_when_the_node_succeeds() -> None:
    # Given a node with edges for success, error and timeout
    ways = ("a->b", edge("a->c", on="error"), edge("a->d", on="timeout"))
    run = Run(plan(task("a"), task("b"), task("c"), task("d"), *ways))
    # When it succeeds
    run.complete("a")
    # Then only the first is live
    assert run.open == {"b": "dispatched"}
    assert run.ended == {"a": "completed", "c": "skipped", "d": "skipped"}


def test_a_condition_that_raises_counts_as_false_and_is_recorded() -> None:
    # Given a condition that reads what is not there, one that is true, and a default
    run = fork(("b", "output.missing > 1"), ("c", "output.score > 50"), "d")
    # When it is evaluated
    run.complete("a", {"score": 60})
    # Then the next one is tried, and the note holds expression, error and values
    assert run.open == {"c": "dispatched"}
    (note,) = run.last.notes
    assert (note.kind, note.node) == ("condition_failed", "a")
    assert note.detail["expression"] == "output.missing > 1"
    assert note.detail["where"] == "a->b 0"
    assert "missing" in note.detail["error"]


def test_a_condition_that_raises_falls_to_the_default_edge() -> None:
    # Given a condition that raises, and a default
    run = fork(("b", "output.missing > 1"), "c")
    # When it is evaluated
    run.complete("a", {})
    # Then the default is taken
    assert (run.open, run.notes) == ({"c": "dispatched"}, ["condition_failed"])


@pytest.mark.parametrize("route", ["first", "all"])
def test_without_a_default_a_raising_condition_fails_the_node(route: str) -> None:
    # Given conditions of which one raises and the other is false
    run = fork(("b", "output.missing > 1"), ("c", "output.score > 50"), route=route)
    # When they are evaluated
    run.complete("a", {"score": 1}, attempt=1)
    # Then the node has failed with `condition_error`, and so has the run
    result = run.result("a")
    assert (result.status, result.attempt, run.error_of("a")) == ("failed", 1, "condition_error")
    assert run.status == "FAILED"


def test_a_condition_error_can_be_taken_by_an_error_edge() -> None:
    # Given a node whose only condition raises, and an error edge
    run = Run(plan(task("a"), task("b"), task("c"), edge("a->b", "output.missing"), edge("a->c", on="error")))
    # When it ends
    run.complete("a", {})
    # Then the error edge is live and hands the error on
    assert run.open == {"c": "dispatched"}
    assert b"condition_error" in bytes(run.task("c").payload)


def test_a_condition_that_is_neither_true_nor_false_counts_as_false() -> None:
    # Given a condition that gives a number
    run = fork(("b", "output.score"), "c")
    # When it is evaluated
    run.complete("a", {"score": 1})
    # Then it is recorded as one that failed
    assert (run.open, run.notes) == ({"c": "dispatched"}, ["condition_failed"])


def test_a_condition_this_engine_cannot_compile_counts_as_false() -> None:
    # Given a plan with an expression that another release let through
    run = fork(("b", "no_such_function(output)"), "c")
    # When it is needed
    run.complete("a", 1)
    # Then the run takes the default; nothing is raised
    assert (run.open, run.notes) == ({"c": "dispatched"}, ["condition_failed"])


def test_an_output_that_cannot_be_read_fails_only_the_condition() -> None:
    # Given an output in the blob store that is no readable JSON
    run = Run(
        plan(task("a"), task("b"), task("c"), edge("a->b", "output.score > 1"), "a->c"), blobs={"blob://1": b"1e999"}
    )
    # When a condition reads it
    run.complete("a", ref="blob://1")
    # Then it counts as false
    assert (run.open, run.notes) == ({"c": "dispatched"}, ["condition_failed"])


@pytest.mark.parametrize("node", [control("conditional", "a"), control("parallel", "a")])
def test_a_control_node_judges_by_what_it_was_fired_with(node: Node) -> None:
    # Given a conditional behind a task
    run = Run(plan(task("s"), node, task("b"), task("c"), "s->a", edge("a->b", "output.ok"), "a->c"))
    # When the task ends
    run.complete("s", {"ok": True})
    # Then the conditional has ended too, without a worker, by the task's output
    assert run.open == {"b": "dispatched"}
    assert run.ended == {"s": "completed", "a": "completed", "c": "skipped"}


def test_conditions_read_input_earlier_outputs_and_the_run_itself() -> None:
    # Given a condition over everything a condition may read outside loops
    said = 'input.limit == 3 && ctx.s.output.n == 2 && output == 1 && run.id == "run_1" && run.workflow == "test"'
    run = Run(plan(task("s"), task("a"), task("b"), "s->a", edge("a->b", said)), {"limit": 3})
    # When it is evaluated
    run.complete("s", {"n": 2})
    run.complete("a", 1)
    # Then it has found all of it
    assert run.open == {"b": "dispatched"}
