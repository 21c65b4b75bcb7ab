"""Put under a condition: nodes executed only where it is true."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_a_gate_decides_whether_the_node_is_executed_or_passed_by() -> None:
    assert operations(graph("a->b->c"), "put_under_condition", nodes="b", when="output.x > 1") == [
        {"op": "add", "path": "/nodes/-", "value": {"id": "b-gate", "type": "conditional"}},
        {"op": "replace", "path": "/edges/a->b/to", "value": "b-gate"},
        {"op": "add", "path": "/edges/-", "value": {"from": "b-gate", "to": "b", "when": "output.x > 1"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "b-gate", "to": "c"}},
    ]


def test_the_gate_takes_over_ways_in_join_and_where_loops_begin() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "c"}
    document = graph("a->c", "b->c", node("c", join="any"), "c->d->e", node("d", loop=loop))
    changed = after(document, "put_under_condition", nodes="c", when="ctx.a.output.x > 1", gate="g")
    assert (field(changed, "c", "join"), field(changed, "g", "join")) == (None, "any")
    assert loops(changed) == {"d": ("c", "d", "g")}
    assert ways(changed) == ["a->g", "b->g", "c->d", "d->e", "g->c [ctx.a.output.x > 1]", "g->d"]


def test_a_whole_loop_is_passed_by_as_one() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "b"}
    document = graph("a->b->c->d", node("c", loop=loop))
    changed = after(document, "put_under_condition", nodes=["b", "c"], when="output.x > 1")
    assert ways(changed) == ["a->b-gate", "b->c", "b-gate->b [output.x > 1]", "b-gate->d", "c->d"]


def test_a_node_that_decides_what_follows_needs_that_inside() -> None:
    document = graph("a->b", way("b->c", "output.x > 1"), way("b->d"))
    assert refused(document, "put_under_condition", nodes="b", when="true") == (
        "EDT046 /nodes where the condition is false, nothing would decide about `b->c`. Take in all nodes up to where "
        "these ways meet again."
    )


def test_a_run_passes_the_node_by_where_the_condition_is_false() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "put_under_condition", nodes="b", when="output.x > 1")))
    run.complete("a", {"x": 0})
    assert run.open == {"c": "dispatched"}
    assert run.ended["b"] == "skipped"
