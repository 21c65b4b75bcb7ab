"""Copy: nodes put in another place as well."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_a_copy_of_a_node_comes_under_its_own_id() -> None:
    document = graph("a->b->c", node("a", config={"x": 1}, timeout_ms=5))
    assert operations(document, "copy", nodes="a", as_="again", from_="b", to="c") == [
        {"op": "add", "path": "/nodes/-", "value": {**document["nodes"][0], "id": "again"}},
        {"op": "replace", "path": "/edges/b->c/to", "value": "again"},
        {"op": "add", "path": "/edges/-", "value": {"from": "again", "to": "c"}},
    ]


def test_several_nodes_are_copied_with_what_is_between_them() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": "x"}], "default": "y"}
    document = graph("a->b", node("b", branch=branch), "x->c", "y->c", node("c", context=["a", "x"]), "c->d")
    names = {name: f"{name}2" for name in ("b", "x", "y", "c")}
    changed = after(document, "copy", nodes=list(names), as_=names, from_="d")
    copied = ["b2->x2 [output.x > 1]", "b2->y2", "d->b2", "x2->c2", "y2->c2"]
    assert [told for told in ways(changed) if "2" in told] == copied
    assert field(changed, "c2", "context") == ["a", "x2"]


def test_a_loop_is_copied_with_where_it_begins() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "a", "break_path": "c"}
    written = {"a": "a2", "b": "b2"}
    for closing in (node("b", loop=loop), node("b", "loop", config=loop)):
        changed = after(graph("s->a->b", closing, node("c")), "copy", nodes=["a", "b"], as_=written, from_="c")
        assert loops(changed) == {"b": ("a", "b"), "b2": ("a2", "b2")}


def test_joins_and_edges_for_failures_are_not_copied() -> None:
    document = graph("a->c", "b->c", node("c", join="any"), way("c->mend", on="error"), "c->d")
    changed = after(document, "copy", nodes="c", as_="n", from_="d")
    assert (ways(changed)[-1], field(changed, "n", "join")) == ("d->n", None)


def test_every_copy_needs_an_id_that_is_free() -> None:
    document = graph("a->b->c")
    assert refused(document, "copy", nodes=["a", "b"], as_="n", from_="c") == (
        "EDT045 /as `as` says no id for the copy of `b`."
    )
    for taken in ({"a": "c", "b": "n"}, {"a": "n", "b": "n"}, {"a": "n", "b": "no id"}):
        assert refused(document, "copy", nodes=["a", "b"], as_=taken, from_="c").startswith("EDT045 /as `")


def test_a_run_executes_the_copy_too() -> None:
    document = graph("a->b")
    run = begun(document)
    run.complete("a")
    run.edit(compiled(after(document, "copy", nodes="a", as_="again", from_="b")))
    run.complete("b")
    assert run.open == {"again": "dispatched"}
