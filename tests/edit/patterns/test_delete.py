"""Delete: what led to the nodes leads to what followed them."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled

LOOP = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "a"}


def test_a_node_between_two_others_is_bridged() -> None:
    assert operations(graph("a->b->c"), "delete", nodes="b") == [
        {"op": "replace", "path": "/edges/a->b/to", "value": "c"},
        {"op": "remove", "path": "/edges/b->c"},
        {"op": "remove", "path": "/nodes/b"},
    ]


def test_every_way_in_leads_to_everything_that_followed_in_its_turn() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->e"), way("f->b", on="error"), "b->c", "b->d")
    assert ways(after(document, "delete", nodes="b")) == [
        "a->c [output.x > 1]",
        "a->d [output.x > 1]",
        "a->e",
        "f->c [on error]",
        "f->d [on error]",
    ]


def test_a_way_that_is_there_already_is_not_written_twice() -> None:
    assert ways(after(graph("a->b->c", "a->c"), "delete", nodes="b")) == ["a->c"]
    # One that says something else stays beside it, under an id of its own
    document = graph(way("a->c"), way("a->b", "output.x > 1"), "b->c")
    assert ways(after(document, "delete", nodes="b")) == ["a->c", "a->c [output.x > 1] [id a->c.2]"]


def test_a_start_leaves_its_place_to_what_followed_and_an_end_to_nothing() -> None:
    assert ways(after(graph("a->b->c"), "delete", nodes="a")) == ["b->c"]
    assert ways(after(graph("a->b->c"), "delete", nodes="c")) == ["a->b"]


def test_several_nodes_that_decide_among_themselves_go_together() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"), "x->c", "y->c", "c->d")
    assert ways(after(document, "delete", nodes=["b", "x", "y", "c"])) == ["a->d"]


def test_a_condition_that_decides_what_follows_cannot_go_alone() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"), "x->c", "y->d")
    assert refused(document, "delete", nodes="b").startswith(
        "EDT046 /nodes what follows depends on the condition of `b->x`, which reads what `b` gave."
    )
    assert "`b->x`" in refused(document, "delete", nodes=["b", "x", "y"]), "c or d: the condition inside decided"


def test_a_node_for_failures_cannot_be_left_without_a_way_to_it() -> None:
    document = graph("a->b->c", way("b->mend", on="error"))
    assert refused(document, "delete", nodes="b").startswith("EDT047 /nodes nothing would lead to `mend` any more")
    assert ways(after(document, "delete", nodes=["b", "mend"])) == ["a->c"]


def test_what_came_only_after_a_failure_does_not_come_without_one() -> None:
    document = graph("a->b->c", way("b->mend", on="error"), "mend->undo")
    assert refused(document, "delete", nodes=["b", "mend"]).startswith("EDT047 /nodes nothing would lead to `undo`")


def test_a_join_that_counts_is_taken_over_where_that_means_the_same() -> None:
    document = graph("a->c", "b->c", node("c", join="any"), "c->d")
    changed = after(document, "delete", nodes="c")
    assert (ways(changed), field(changed, "d", "join")) == (["a->d", "b->d"], "any")
    beside = graph("a->c", "b->c", node("c", join="any"), "c->d", "e->d")
    assert refused(beside, "delete", nodes="c").startswith("EDT046 /nodes `c` counts the ways that lead to it")


def test_a_join_behind_it_that_counts_keeps_the_number_of_its_ways() -> None:
    document = graph("a->b", "e->b", "b->d", "c->d", node("d", join=2))
    assert refused(document, "delete", nodes="b").startswith("EDT046 /nodes `d` counts the ways that lead to it")
    assert ways(after(graph("a->b->d", "c->d", node("d", join=2)), "delete", nodes="b")) == ["a->d", "c->d"]


def test_a_loop_begins_at_what_followed_its_first_node() -> None:
    changed = after(graph("s->a->b->c->d", node("c", loop=LOOP)), "delete", nodes="a")
    assert loops(changed) == {"c": ("b", "c")}
    assert ways(changed) == ["b->c", "c->d", "s->b"]


def test_a_loop_cannot_be_left_without_one_node_to_begin_at() -> None:
    document = graph("s->a->b->d->e", "a->c->d", node("d", loop=LOOP))
    assert refused(document, "delete", nodes="a").startswith("EDT046 /nodes each pass of the loop that `d` closes")


def test_the_node_that_closes_a_loop_goes_only_with_the_whole_loop() -> None:
    document = graph("s->a->b->c->d", node("c", loop=LOOP))
    assert refused(document, "delete", nodes="c").startswith("EDT044 /nodes `c` closes the loop around `a`, `b`.")
    assert ways(after(document, "delete", nodes=["a", "b", "c"])) == ["s->d"]


def test_nodes_that_others_still_ask_for_are_told_by_the_compiler() -> None:
    document = graph("a->b->c", node("c", context=["b"]))
    told = refused(document, "delete", nodes="b")
    assert told == "EDT049 /nodes/1/context/0 there is no node `b`."


def test_the_last_node_of_a_definition_stays() -> None:
    assert refused(graph("a->b"), "delete", nodes=["a", "b"]).startswith("EDT046 /nodes these are all the nodes")
    assert refused(graph("a->b"), "delete", nodes=["a", "x"]).startswith("EDT041 /nodes/1 there is no node `x`")


def test_ways_that_other_nodes_say_themselves_are_bridged_too() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": "b"}], "default": "c"}
    changed = after(graph(node("a", branch=branch), "b->d", "c->d"), "delete", nodes="b")
    assert ways(changed) == ["a->d [output.x > 1]", "a->c", "c->d"]


def test_a_run_passes_over_the_place_where_the_node_was() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "delete", nodes="b")))
    run.complete("a", {"x": 1})
    assert run.open == {"c": "dispatched"}
    assert run.payload("c") == {"x": 1}
