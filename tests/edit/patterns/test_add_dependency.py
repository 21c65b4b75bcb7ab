"""Add a dependency: a node waits for another one as well."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, graph, node, operations, refused, ways
from tests.support.random_edits import compiled


def test_an_edge_is_added_behind_those_there_are() -> None:
    assert operations(graph("a->b", "c"), "add_dependency", from_="c", to="b") == [
        {"op": "add", "path": "/edges/-", "value": {"from": "c", "to": "b"}}
    ]


def test_an_edge_can_say_when_and_on_what_and_have_an_id() -> None:
    document = graph("a->b", "a->c")
    changed = after(document, "add_dependency", from_="a", to="b", when="input.x", on="error", id="again")
    assert ways(changed) == ["a->b", "a->c", "a->b [input.x] [on error] [id again]"]


def test_an_edge_out_of_a_branch_is_tried_behind_its_rules() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": "b"}], "default": "c"}
    changed = after(
        graph(node("a", branch=branch), "b", "c", "d"), "add_dependency", from_="a", to="d", when="output.x > 0"
    )
    assert ways(changed) == ["a->b [output.x > 1]", "a->c", "a->d [output.x > 0]"]


def test_a_definition_without_edges_takes_its_first_one() -> None:
    document = {"name": "x", "nodes": [node("a"), node("b")]}
    assert operations(document, "add_dependency", from_="a", to="b") == [
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "b"}}
    ]


def test_nodes_cannot_wait_for_each_other() -> None:
    assert refused(graph("a->b->c"), "add_dependency", from_="c", to="a").startswith(
        "EDT046 /to `a` comes before `c`, and cannot wait for it as well."
    )
    assert refused(graph("a"), "add_dependency", from_="a", to="a").startswith("EDT046 /to `a` comes before `a`")


def test_an_edge_that_is_there_already_is_told() -> None:
    document = graph("a->b", "c")
    assert refused(document, "add_dependency", from_="a", to="b").startswith("EDT045 /to there is an edge `a->b`")
    assert refused(document, "add_dependency", from_="c", to="b", id="a->b").startswith("EDT045 /id there is an edge")


def test_an_edge_that_would_break_into_a_loop_is_told_by_the_compiler() -> None:
    loop = {"condition": "true", "max_iterations": 2, "loop_back_to": "a"}
    document = graph("a->b->c", node("c", loop=loop), "x")
    assert refused(document, "add_dependency", from_="x", to="b").startswith(
        "EDT049 /edges/2 this edge enters the loop"
    )


def test_a_run_waits_for_the_added_one_too() -> None:
    document = graph("a->b", "c")
    run = begun(document)
    run.edit(compiled(after(document, "add_dependency", from_="c", to="b")))
    run.complete("a")
    assert run.open == {"c": "dispatched"}
