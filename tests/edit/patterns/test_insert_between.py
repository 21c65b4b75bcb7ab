"""Insert between: new nodes in series."""

from __future__ import annotations

from tests.edit.patterns.graphs import after, begun, field, graph, loops, node, operations, refused, way, ways
from tests.support.random_edits import compiled

BRANCHING = graph(node("a"), way("a->b", "output.x > 1"), way("a->c"), way("a->b", on="error", id="failed"))


def test_a_node_is_put_on_the_edge_between_two() -> None:
    assert operations(graph("a->b"), "insert_between", from_="a", to="b", node=node("n")) == [
        {"op": "add", "path": "/nodes/-", "value": {"id": "n", "type": "function"}},
        {"op": "replace", "path": "/edges/a->b/to", "value": "n"},
        {"op": "add", "path": "/edges/-", "value": {"from": "n", "to": "b"}},
    ]


def test_the_condition_of_the_edge_decides_about_the_new_nodes_and_keeps_its_turn() -> None:
    changed = after(BRANCHING, "insert_between", from_="a", to="b", edge="a->b", node=node("n"))
    assert ways(changed) == ["a->n [output.x > 1]", "a->c", "a->b [on error] [id failed]", "n->b"]


def test_all_new_nodes_that_begin_a_fragment_follow_and_all_that_end_it_lead_on() -> None:
    fragment = {"nodes": [node("x"), node("y"), node("z")], "edges": [way("x->z")]}
    changed = after(graph("a->b", way("a->c", "output.x > 1")), "insert_between", from_="a", to="c", fragment=fragment)
    assert ways(changed) == ["a->b", "a->x [output.x > 1]", "a->y [output.x > 1]", "x->z", "y->c", "z->c"]


def test_new_nodes_can_be_put_at_the_start_and_at_the_end() -> None:
    changed = after(graph("a->b"), "insert_between", to="a", node=node("first"))
    assert ways(after(changed, "insert_between", from_="b", node=node("last"))) == ["a->b", "b->last", "first->a"]


def test_a_node_between_those_of_a_loop_is_in_the_loop() -> None:
    looped = graph("a->b->c", node("b", loop={"condition": "true", "max_iterations": 2, "loop_back_to": "a"}))
    assert loops(after(looped, "insert_between", from_="a", to="b", node=node("n"))) == {"b": ("a", "b", "n")}
    assert loops(after(looped, "insert_between", from_="b", to="c", node=node("n"))) == {"b": ("a", "b")}


def test_a_branch_written_at_the_node_becomes_edges_first() -> None:
    branch = {"rules": [{"condition": "output.x > 1", "next": ["b", "c"]}], "default": "d"}
    document = graph(node("a", branch=branch), "b->e", "c->e", "d->e")
    changed = after(document, "insert_between", from_="a", to="c", node=node("n"))
    assert field(changed, "a", "branch") is None
    assert ways(changed)[:3] == ["a->b [output.x > 1]", "a->n [output.x > 1]", "a->d"]


def test_the_paths_of_a_loop_become_edges_first() -> None:
    loop = {"condition": "true", "max_iterations": 2, "loop_back_to": "a", "break_path": "b", "timeout_path": ["c"]}
    document = graph(node("a", "loop", config=loop), node("b"), node("c"), way("a->b"))
    changed = after(document, "insert_between", from_="a", to="c", node=node("n"))
    assert field(changed, "a", "config").keys() == {"condition", "max_iterations", "loop_back_to"}
    assert ways(changed) == ["a->b [break]", "a->n [timeout]", "n->c"]


def test_a_place_that_is_none_is_told_with_those_there_are() -> None:
    document = graph("a->b->c")
    assert refused(document, "insert_between", from_="a", to="c", node=node("n")) == (
        "EDT042 /to no edge leads from `a` to `c`; behind `a` come `b`."
    )
    assert refused(document, "insert_between", from_="a", node=node("n")).startswith("EDT042 /from `a` is no end;")
    assert refused(document, "insert_between", to="b", node=node("n")).startswith("EDT042 /to `b` does not begin with")
    assert refused(document, "insert_between", from_="a", to="b", edge="x", node=node("n")) == (
        "EDT042 /edge no edge `x` leads from `a` to `b`."
    )


def test_several_edges_between_two_nodes_have_to_be_told_apart() -> None:
    assert refused(BRANCHING, "insert_between", from_="a", to="b", node=node("n")) == (
        "EDT043 /edge several edges lead from `a` to `b`: `a->b` and `failed`. Name one of them as `edge`."
    )


def test_nodes_that_are_not_there_are_all_told() -> None:
    assert refused(graph("score->b"), "insert_between", from_="scores", to="x", node=node("n")) == (
        "EDT041 /from there is no node `scores`."
    )


def test_new_nodes_must_be_new_and_lead_only_to_new_ones() -> None:
    document = graph("a->b")
    assert refused(document, "insert_between", from_="a", to="b", node=node("a")).startswith("EDT045 /node/id `a` is")
    stray = {"nodes": [node("n")], "edges": [way("n->b")]}
    assert refused(document, "insert_between", from_="a", to="b", fragment=stray) == (
        "EDT045 /fragment/edges/0/to CMP004 there is no node `b`."
    )
    circle = {"nodes": [node("n"), node("m")], "edges": [way("n->m"), way("m->n")]}
    assert refused(document, "insert_between", from_="a", to="b", fragment=circle).startswith("EDT045 /fragment these")


def test_a_run_executes_the_new_node_between_the_two() -> None:
    # Given a run whose first node is running
    run = begun(graph("a->b"))
    # When a node is inserted behind it
    run.edit(compiled(after(graph("a->b"), "insert_between", from_="a", to="b", node=node("n"))))
    run.complete("a", {"x": 1})
    # Then that comes next, and the other after it
    assert run.open == {"n": "dispatched"}
    run.complete("n")
    assert run.open == {"b": "dispatched"}
