"""Move: nodes taken to another place."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_a_node_leaves_one_edge_and_comes_on_another() -> None:
    assert operations(graph("a->b->c->d"), "move", nodes="b", from_="c", to="d") == [
        {"op": "replace", "path": "/edges/a->b/to", "value": "c"},
        {"op": "remove", "path": "/edges/b->c"},
        {"op": "replace", "path": "/edges/c->d/to", "value": "b"},
        {"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "d"}},
    ]


def test_several_nodes_move_with_the_edges_between_them() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"), "x->c", "y->c", "c->d->e")
    assert ways(after(document, "move", nodes=["b", "x", "y", "c"], from_="d", to="e")) == [
        "a->d",
        "b->x [output.x > 1]",
        "b->y",
        "c->e",
        "d->b",
        "x->c",
        "y->c",
    ]


def test_nodes_can_move_to_the_start_and_to_the_end() -> None:
    assert ways(after(graph("a->b->c"), "move", nodes="b", to="a")) == ["a->c", "b->a"]
    assert ways(after(graph("a->b->c"), "move", nodes="a", from_="c")) == ["b->c", "c->a"]


def test_a_place_that_only_the_move_makes_can_be_named() -> None:
    assert ways(after(graph("a->b->c->d"), "move", nodes=["c"], from_="a", to="b")) == ["a->c", "b->d", "c->b"]
    assert ways(after(graph("a->b->c"), "move", nodes="b", from_="a", to="c")) == ["a->b", "b->c"]


def test_edges_for_failures_go_with_the_node_and_its_join_does_not() -> None:
    document = graph("a->c", "b->c", node("c", join="all"), way("c->mend", on="error"), "c->d->e")
    changed = after(document, "move", nodes="c", from_="d", to="e")
    assert ways(changed) == ["a->d", "b->d", "c->mend [on error]", "c->e", "d->c"]
    assert field(changed, "c", "join") is None


def test_a_node_can_move_into_a_loop_and_out_of_one() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "b"}
    document = graph("a->b->c->d->e", node("d", loop=loop))
    assert loops(after(document, "move", nodes="c", from_="d", to="e")) == {"d": ("b", "d")}
    assert loops(after(document, "move", nodes="a", from_="b", to="c")) == {"d": ("a", "b", "c", "d")}


def test_a_node_cannot_move_next_to_itself() -> None:
    told = "EDT046 /to `b` is one of the nodes to be moved. Name one that stays."
    assert refused(graph("a->b->c"), "move", nodes="b", from_="a", to="b") == told


def test_a_node_whose_output_decides_stays_with_what_it_decides() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"), "x->c->d", "y->c")
    assert refused(document, "move", nodes="b", from_="c", to="d").startswith("EDT046 /nodes what follows depends")


def test_a_run_executes_the_node_at_its_new_place() -> None:
    document = graph("a->b->c->d")
    run = begun(document)
    run.edit(compiled(after(document, "move", nodes="b", from_="c", to="d")))
    for name in ("a", "c", "b", "d"):
        assert run.open == {name: "dispatched"}
        run.complete(name)
    assert run.status == "COMPLETED"
