"""Wrap in a loop: nodes repeated while a condition is true."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled

WANTED = {"condition": "output.x < 3", "max_iterations": 5}


def test_the_last_node_closes_the_loop_and_the_first_begins_each_pass() -> None:
    assert operations(graph("a->b->c->d"), "wrap_in_loop", nodes=["b", "c"], **WANTED) == [
        {"op": "add", "path": "/nodes/c/loop", "value": {**WANTED, "loop_back_to": "b"}}
    ]


def test_a_node_can_be_repeated_by_itself_and_left_when_passes_are_used_up() -> None:
    changed = after(graph("a->b->c", "d"), "wrap_in_loop", nodes="b", timeout_path="d", **WANTED)
    assert loops(changed) == {"b": ("b",)}
    assert ways(changed) == ["a->b", "b->c", "b->d [timeout]"]


def test_a_loop_around_a_loop_is_closed_by_a_node_of_its_own() -> None:
    inner = {"condition": "output.x < 1", "max_iterations": 2, "loop_back_to": "b"}
    document = graph("a->b->c", way("c->d", "output.x > 5"), way("c->e"), node("c", loop=inner, route="all"))
    changed = after(document, "wrap_in_loop", nodes=["b", "c"], **WANTED)
    assert loops(changed) == {"c-again": ("b", "c", "c-again"), "c": ("b", "c")}
    assert ways(changed) == ["a->b", "b->c", "c->c-again", "c-again->d [output.x > 5]", "c-again->e"]
    assert field(changed, "c-again", "route") == "all"


def test_a_node_inside_that_leads_out_cannot_be_in_a_loop() -> None:
    document = graph("a->b->c->d", way("b->mend", on="error"))
    assert refused(document, "wrap_in_loop", nodes=["b", "c"], **WANTED).startswith("EDT049 /edges/3 this edge leaves")


def test_only_part_of_a_loop_cannot_be_repeated_with_what_is_outside() -> None:
    inner = {"condition": "output.x < 1", "max_iterations": 2, "loop_back_to": "b"}
    document = graph("a->b->c->d", node("c", loop=inner))
    assert "only some of them are in the loop" in refused(document, "wrap_in_loop", nodes=["a", "b"], **WANTED)
    assert refused(document, "wrap_in_loop", nodes="a", timeout_path="x", **WANTED).startswith("EDT041 /timeout_path/0")


def test_a_run_goes_round_as_long_as_the_condition_is_true() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "wrap_in_loop", nodes="b", **WANTED)))
    run.complete("a")
    run.complete("b[1]:b", {"x": 1})
    run.complete("b[2]:b", {"x": 3})
    assert run.open == {"c": "dispatched"}
