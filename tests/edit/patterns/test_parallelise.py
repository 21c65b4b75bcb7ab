"""Parallelise: the nodes of a sequence begin together."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_every_node_of_the_sequence_follows_what_led_to_the_first() -> None:
    document = graph(way("s->a", "output.x > 1"), way("s->z"), "a->b->c->d", "c->e")
    assert ways(after(document, "parallelise", nodes=["a", "b", "c"])) == [
        "a->d",
        "a->e",
        "b->d",
        "b->e",
        "c->d",
        "c->e",
        "s->a [output.x > 1]",
        "s->b [output.x > 1]",
        "s->c [output.x > 1]",
        "s->z",
    ]


def test_a_sequence_at_the_start_begins_with_the_run_all_at_once() -> None:
    assert operations(graph("a->b->c"), "parallelise", nodes=["a", "b"]) == [
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "c"}},
        {"op": "remove", "path": "/edges/a->b"},
    ]


def test_the_join_of_the_first_is_that_of_all() -> None:
    document = graph("x->a", "y->a", node("a", join="any"), "a->b->c", node("b", join="all"))
    changed = after(document, "parallelise", nodes=["a", "b"])
    assert (field(changed, "a", "join"), field(changed, "b", "join")) == ("any", "any")


def test_nodes_that_do_not_simply_follow_each_other_are_no_sequence() -> None:
    for document in (graph("a->b->c", "a->d->c"), graph("a->b->c", "x->b"), graph("b->a->c")):
        told = refused(document, "parallelise", nodes=["a", "b"])
        assert told.startswith("EDT044 /nodes")
    conditional = graph(way("a->b", "output.x > 1"), "b->c")
    assert "`b` does not simply follow `a`" in refused(conditional, "parallelise", nodes=["a", "b"])


def test_a_loop_begins_and_ends_at_one_node() -> None:
    loop = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "a"}
    document = graph("s->a->b->c->d", node("c", loop=loop))
    for nodes in (["a", "b"], ["a", "b", "c"]):
        told = refused(document, "parallelise", nodes=nodes)
        assert told.startswith("EDT046 /nodes each pass of the loop that `c` closes begins at one node")


def test_what_decides_behind_the_sequence_needs_one_that_ends_it() -> None:
    document = graph("a->b", way("b->c", "output.x > 1"), way("b->d"))
    assert refused(document, "parallelise", nodes=["a", "b"]).startswith("EDT046 /nodes the conditions of `b->c` read")
    counting = graph("a->b->c", "x->c", node("c", join="any"))
    assert refused(counting, "parallelise", nodes=["a", "b"]).startswith("EDT046 /nodes `c` counts the ways")


def test_a_run_begins_them_together_and_waits_for_all() -> None:
    document = graph("s->a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "parallelise", nodes=["a", "b"])))
    run.complete("s")
    assert run.open == {"a": "dispatched", "b": "dispatched"}
    run.complete("b")
    run.complete("a")
    assert run.open == {"c": "dispatched"}
