"""Replace: new nodes in the place of others."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled

LOOP = {"condition": "output.x > 1", "max_iterations": 2, "loop_back_to": "a"}


def test_a_node_takes_the_place_of_another_in_every_edge() -> None:
    assert operations(graph("a->b->c"), "replace", nodes="b", node=node("n", "http")) == [
        {"op": "replace", "path": "/nodes/b", "value": {"id": "n", "type": "http"}},
        {"op": "replace", "path": "/edges/a->b/to", "value": "n"},
        {"op": "replace", "path": "/edges/b->c/from", "value": "n"},
    ]


def test_a_node_may_keep_its_id_and_become_another() -> None:
    document = graph("a->b->c", node("b", config={"x": 1}))
    assert operations(document, "replace", nodes="b", node=node("b", "http", timeout_ms=5)) == [
        {"op": "replace", "path": "/nodes/b", "value": {"id": "b", "type": "http", "timeout_ms": 5}}
    ]


def test_conditions_joins_routes_and_loops_belong_to_the_place() -> None:
    document = graph(
        "s->a->c",
        "s->b->c",
        node("c", join="any", route="all", loop={**LOOP, "loop_back_to": "c"}),
        way("c->x", "output.x > 1"),
        way("c->y", on="error"),
    )
    changed = after(document, "replace", nodes="c", node=node("n"))
    assert ways(changed)[2:] == ["n->x [output.x > 1]", "n->y [on error]", "s->a", "s->b"]
    assert next(node for node in changed["nodes"] if node["id"] == "n") == {
        "id": "n",
        "type": "function",
        "join": "any",
        "route": "all",
        "loop": {**LOOP, "loop_back_to": "n"},
    }


def test_what_the_new_node_says_itself_counts() -> None:
    document = graph("a->c", "b->c", node("c", join="any"), "c->d")
    changed = after(document, "replace", nodes="c", node=node("n", join="all"))
    assert field(changed, "n", "join") == "all"


def test_a_loop_begins_at_the_new_node_where_it_began_at_the_old() -> None:
    document = graph("s->a->b->c", node("b", "loop", config={**LOOP, "break_path": "c"}))
    assert loops(after(document, "replace", nodes="a", node=node("n"))) == {"b": ("n", "b")}
    changed = after(document, "replace", nodes="b", node=node("n"))
    assert (loops(changed), field(changed, "n", "loop")) == ({"n": ("a", "n")}, LOOP)
    assert ways(changed) == ["a->n", "n->c [break]", "s->a"]


def test_a_fragment_takes_the_place_of_several_nodes() -> None:
    document = graph(way("a->b", "output.x > 1"), way("a->e"), "b->c", way("c->d", "output.y > 1"), way("c->f"))
    fragment = {"nodes": [node("x"), node("y"), node("z")], "edges": [way("x->z"), way("y->z")]}
    assert ways(after(document, "replace", nodes=["b", "c"], fragment=fragment)) == [
        "a->x [output.x > 1]",
        "a->y [output.x > 1]",
        "a->e",
        "x->z",
        "y->z",
        "z->d [output.y > 1]",
        "z->f",
    ]


def test_a_condition_behind_reads_one_node_and_not_several() -> None:
    document = graph("a->b", way("b->c", "output.x > 1"))
    fragment = {"nodes": [node("x"), node("y")], "edges": []}
    told = refused(document, "replace", nodes="b", fragment=fragment)
    assert told.startswith("EDT046 /fragment `b->c` read how one node ended, and the new ones end at `x`, `y`.")


def test_a_loop_goes_with_its_nodes_and_its_ways_out_stay() -> None:
    document = graph("s->a->b->c", node("b", loop={**LOOP, "break_path": "c"}))
    assert ways(after(document, "replace", nodes=["a", "b"], node=node("n"))) == ["n->c", "s->n"]


def test_a_place_where_passes_begin_has_room_for_one_node() -> None:
    fragment = {"nodes": [node("x"), node("y")], "edges": []}
    told = refused(graph("s->a->b->c", node("b", loop=LOOP)), "replace", nodes="a", fragment=fragment)
    assert told.startswith("EDT046 /fragment each pass of the loop that `b` closes begins at one node")


def test_what_only_a_replaced_node_led_to_is_not_left_behind() -> None:
    document = graph("a->b->c->d", way("b->mend", on="error"))
    fragment = {"nodes": [node("x")], "edges": []}
    told = refused(document, "replace", nodes=["b", "c"], fragment=fragment)
    assert told.startswith("EDT047 /nodes nothing would lead to `mend`")


def test_a_run_executes_the_new_node_in_place_of_the_old() -> None:
    document = graph("a->b->c")
    run = begun(document)
    run.edit(compiled(after(document, "replace", nodes="b", node=node("n"))))
    run.complete("a")
    run.complete("n", {"x": 1})
    assert run.payload("c") == {"x": 1}
