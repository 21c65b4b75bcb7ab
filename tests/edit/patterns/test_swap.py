"""Swap: two nodes change places."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_two_nodes_change_places_in_every_edge() -> None:
    document = graph("a->b->c->d", way("b->x", on="error"))
    changed = after(document, "swap", nodes=["b", "d"])
    assert ways(changed) == ["a->d", "c->b", "d->c", "d->x [on error]"]
    assert changed["nodes"] == document["nodes"]


def test_neighbours_change_places_without_new_ids() -> None:
    document = graph("a->b->c->d")
    assert operations(document, "swap", nodes=["b", "c"]) == [
        {"op": "replace", "path": "/edges/a->b/to", "value": "c"},
        {"op": "replace", "path": "/edges/b->c", "value": {"from": "c", "to": "b"}},
        {"op": "replace", "path": "/edges/c->d/from", "value": "b"},
    ]
    assert ways(after(document, "swap", nodes=["b", "c"])) == ["a->c", "b->d", "c->b"]


def test_parallel_nodes_change_places_although_edges_share_ids_on_the_way() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->c"), "b->d", "c->d")
    assert ways(after(document, "swap", nodes=["b", "c"])) == ["a->c [output.x > 1]", "a->b", "b->d", "c->d"]


def test_joins_and_where_loops_begin_stay_at_their_place() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "c"}
    document = graph("a->c", "b->c", node("c", join="any"), "c->d->e->f", node("e", loop=loop))
    changed = after(document, "swap", nodes=["c", "d"])
    assert (field(changed, "c", "join"), field(changed, "d", "join")) == (None, "any")
    assert loops(changed) == {"e": ("c", "d", "e")}
    assert compiled(changed).regions[0].entry == "d"


def test_nodes_whose_output_decides_do_not_change_places() -> None:
    document = graph("a->b", way("b->c", "output.x > 1"))
    assert refused(document, "swap", nodes=["a", "b"]).startswith("EDT046 /nodes the conditions of `b->c` read")
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "b"}
    looped = graph("a->b", node("b", loop=loop))
    assert refused(looped, "swap", nodes=["a", "b"]).startswith("EDT046 /nodes `b` closes a loop")
    assert refused(looped, "swap", nodes=["a", "a"]).startswith("EDT046 /nodes `a` cannot change places with itself")


def test_a_run_executes_them_in_the_other_order() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "swap", nodes=["b", "c"])))
    for name in ("a", "c", "b"):
        assert run.open == {name: "dispatched"}
        run.complete(name)
