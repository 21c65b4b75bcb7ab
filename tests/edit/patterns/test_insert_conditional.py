"""Insert conditionally: new nodes that are executed only where a condition is true."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, node, operations, refused, ways
from tests.support.random_edits import compiled

WANTED = {"from_": "a", "to": "b", "when": "output.x > 1", "node": node("n")}


def test_a_gate_before_the_new_node_leads_past_it_too() -> None:
    assert operations(graph("a->b"), "insert_conditional", **WANTED) == [
        {"op": "add", "path": "/nodes/-", "value": {"id": "n-gate", "type": "conditional"}},
        {"op": "add", "path": "/nodes/-", "value": {"id": "n", "type": "function"}},
        {"op": "replace", "path": "/edges/a->b/to", "value": "n-gate"},
        {"op": "add", "path": "/edges/-", "value": {"from": "n-gate", "to": "n", "when": "output.x > 1"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "n-gate", "to": "b"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "n", "to": "b"}},
    ]


def test_what_else_follows_the_node_before_is_left_alone() -> None:
    changed = after(graph("a->b", "a->c"), "insert_conditional", **WANTED)
    assert ways(changed) == ["a->n-gate", "a->c", "n->b", "n-gate->n [output.x > 1]", "n-gate->b"]


def test_the_gate_has_the_id_that_was_asked_for_or_a_free_one() -> None:
    assert field(after(graph("a->b"), "insert_conditional", gate="big", **WANTED), "big", "type") == "conditional"
    assert field(after(graph("a->b", "n-gate"), "insert_conditional", **WANTED), "n-gate-2", "type") == "conditional"
    for taken in ("a", "n", "no id"):
        assert refused(graph("a->b"), "insert_conditional", gate=taken, **WANTED).startswith("EDT045 /gate")


def test_at_the_end_nothing_follows_where_the_condition_is_false() -> None:
    changed = after(graph("a"), "insert_conditional", from_="a", when="output.x > 1", node=node("n"))
    assert ways(changed) == ["a->n-gate", "n-gate->n [output.x > 1]"]


def test_a_run_takes_the_new_node_in_or_passes_it_by() -> None:
    document = graph("a->b")
    for given, follows in ((2, {"n": "dispatched"}), (0, {"b": "dispatched"})):
        run = begun(document)
        run.edit(compiled(after(document, "insert_conditional", **WANTED)))
        run.complete("a", {"x": given})
        assert run.open == follows
