"""Insert in parallel: new nodes beside others."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, node, operations, refused, way, ways
from tests.support.random_edits import compiled


def test_a_node_beside_another_begins_with_it_and_is_waited_for() -> None:
    assert operations(graph("a->b->c"), "insert_parallel", to="b", node=node("n")) == [
        {"op": "add", "path": "/nodes/-", "value": {"id": "n", "type": "function"}},
        {"op": "add", "path": "/edges/b->c", "value": {"from": "a", "to": "n"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "n", "to": "c"}},
    ]


def test_conditions_of_the_ways_in_count_for_the_new_node_too() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->d"), way("e->b", on="error"), "b->c")
    changed = after(document, "insert_parallel", to="b", node=node("n"))
    assert ways(changed) == [
        "a->b [output.x > 1]",
        "a->n [output.x > 1]",
        "a->d",
        "b->c",
        "e->b [on error]",
        "e->n [on error]",
        "n->c",
    ]


def test_several_nodes_with_one_way_in_and_out_are_taken_as_one() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"), "x->c", "y->c", "c->d")
    fragment = {"nodes": [node("n"), node("m")], "edges": [way("n->m")]}
    changed = after(document, "insert_parallel", to=["b", "x", "y", "c"], fragment=fragment)
    assert ways(changed) == ["a->b", "a->n", "b->x [output.x > 1]", "b->y", "c->d", "m->d", "n->m", "x->c", "y->c"]


def test_a_node_beside_start_and_end_is_both_itself() -> None:
    assert ways(after(graph("a"), "insert_parallel", to="a", node=node("n"))) == []


def test_the_join_of_the_node_is_that_of_the_new_one_too() -> None:
    document = graph("a->c", "b->c", node("c", join="any"))
    changed = after(document, "insert_parallel", to="c", node=node("n"))
    assert field(changed, "n", "join") == "any"


def test_a_node_that_decides_what_follows_cannot_have_one_beside_it_alone() -> None:
    document = graph("a->b", way("b->x", "output.x > 1"), way("b->y"))
    assert refused(document, "insert_parallel", to="b", node=node("n")) == (
        "EDT046 /to what follows `b` depends on `b->x`. Take in all nodes up to where these ways meet again."
    )


def test_a_loop_still_begins_at_one_node() -> None:
    document = graph("a->b", node("b", loop={"condition": "true", "max_iterations": 2, "loop_back_to": "a"}))
    assert refused(document, "insert_parallel", to="a", node=node("n")).startswith("EDT046 /to each pass of the loop")


def test_nodes_that_are_no_section_are_told_why() -> None:
    document = graph("a->b->d", "a->c->d")
    assert refused(document, "insert_parallel", to=["b", "c"], node=node("n")) == (
        "EDT044 /to these nodes have no single way in and single way out: they are entered at `b` and `c`."
    )
    assert "they are left at `b` and `c`" in refused(document, "insert_parallel", to=["a", "b", "c"], node=node("n"))
    assert "`c->d` enters at `d`" in refused(document, "insert_parallel", to=["b", "d"], node=node("n"))
    assert "`a->c` leaves from `a`" in refused(document, "insert_parallel", to=["a", "b"], node=node("n"))


def test_a_run_waits_for_both_before_it_goes_on() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "insert_parallel", to="b", node=node("n"))))
    run.complete("a")
    assert run.open == {"b": "dispatched", "n": "dispatched"}
    run.complete("n")
    run.complete("b")
    assert run.open == {"c": "dispatched"}
