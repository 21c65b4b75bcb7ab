"""Change a condition: of an edge, or of a loop."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, graph, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_the_condition_of_an_edge_is_given_changed_and_taken() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->c"))
    assert operations(document, "change_condition", from_="a", to="b", when="output.x > 2") == [
        {"op": "replace", "path": "/edges/a->b/when", "value": "output.x > 2"}
    ]
    assert operations(document, "change_condition", from_="a", to="c", when={"type": "cel", "expression": "true"}) == [
        {"op": "add", "path": "/edges/a->c/when", "value": "true"}
    ]
    assert operations(document, "change_condition", from_="a", to="b", when=None) == [
        {"op": "remove", "path": "/edges/a->b/when"}
    ]
    assert operations(document, "change_condition", from_="a", to="c", when=None) == []


def test_the_spelling_of_the_author_is_kept() -> None:
    document = graph({"from": "a", "to": "b", "condition": {"type": "cel", "expression": "output.x > 1"}}, way("a->c"))
    assert operations(document, "change_condition", from_="a", to="b", when="true") == [
        {"op": "replace", "path": "/edges/a->b/condition", "value": "true"}
    ]


def test_a_rule_of_a_branch_becomes_an_edge_first() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": ["b", "c"]}], "default": "d"}
    changed = after(
        graph(node("a", branch=branch), "b", "c", "d"), "change_condition", from_="a", to="c", when="output.x > 2"
    )
    assert ways(changed) == ["a->b [output.x > 1]", "a->c [output.x > 2]", "a->d"]


def test_the_condition_of_a_loop_is_changed_wherever_it_is_written() -> None:
    loop = {"condition": "true", "max_iterations": 2, "loop_back_to": "a"}
    for closing, place in ((node("a", loop=loop), "loop"), (node("a", "loop", config=loop), "config")):
        assert operations(graph(closing), "change_condition", loop="a", when="output.x > 1") == [
            {"op": "replace", "path": f"/nodes/a/{place}/condition", "value": "output.x > 1"}
        ]
    assert refused(graph("a"), "change_condition", loop="a", when="true") == "EDT042 /loop `a` closes no loop."


def test_a_request_is_about_an_edge_or_a_loop() -> None:
    for fields in ({}, {"from_": "a"}, {"loop": "a", "edge": "x"}, {"loop": "a", "from_": "a", "to": "b"}):
        assert refused(graph("a->b"), "change_condition", when="true", **fields) == (
            "EDT040  this must be a request with either `from` and `to`, or `loop`."
        )
    told = refused(graph("a"), "change_condition", loop="a", when=None)
    assert told == "EDT040  this must be a condition, which a loop cannot be without."


def test_a_run_decides_by_the_new_condition() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->c"))
    run = begun(document)
    run.edit(compiled(after(document, "change_condition", from_="a", to="b", when="output.x > 5")))
    run.complete("a", {"x": 3})
    assert run.open == {"c": "dispatched"}
