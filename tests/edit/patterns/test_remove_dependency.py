"""Remove a dependency: a node does not wait for another one any more."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, graph, node, operations, refused, ways
from tests.support.random_edits import compiled


def test_the_edge_is_taken_out() -> None:
    assert operations(graph("a->b", "c->b"), "remove_dependency", from_="c", to="b") == [
        {"op": "remove", "path": "/edges/c->b"}
    ]


def test_an_edge_that_a_branch_says_is_taken_out_alone() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": ["b", "c"]}], "default": "c"}
    changed = after(graph(node("a", branch=branch), "b->c"), "remove_dependency", from_="a", to="c", edge="a->c")
    assert ways(changed) == ["a->b [output.x > 1]", "a->c [id a->c.2]", "b->c"]


def test_the_last_way_to_a_node_stays() -> None:
    assert refused(graph("a->b"), "remove_dependency", from_="a", to="b").startswith(
        "EDT047 /to nothing else leads to `b`, so it would begin with the run."
    )


def test_a_join_that_could_never_begin_is_told_by_the_compiler() -> None:
    document = graph("a->c", "b->c", node("c", join=2))
    assert refused(document, "remove_dependency", from_="a", to="c") == (
        "EDT049 /nodes/1/join `c` waits for 2 live edges, and the number of its in-edges is 1."
    )


def test_a_waiting_run_goes_on_without_what_it_waited_for() -> None:
    document = graph("a->c", "b->c")
    run = begun(document)
    run.complete("a")
    run.edit(compiled(after(document, "remove_dependency", from_="b", to="c")))
    assert run.open == {"b": "dispatched", "c": "dispatched"}
