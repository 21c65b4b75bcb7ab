"""The bodies of loops: what they are, and what the compiler refuses (SEMANTICS §4)."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.compile.compiling import plan_of, problems_of, region

LOOP = "loop: {condition: output.x, max_iterations: 2, loop_back_to: %s}"


def definition(nodes: str, *edges: str) -> str:
    """`a b<a` is a node `a` and a node `b` that closes a loop back to `a`; an edge is written `a->b`."""
    lines = ["nodes:"]
    for part in nodes.split():
        name, _, entry = part.partition("<")
        lines.append(f"- {{id: {name}, type: f" + (f", {LOOP % entry}" if entry else "") + "}")
    lines += ["edges:"] if edges else []
    lines += [f"- {{from: {edge.split('->')[0]}, to: {edge.split('->')[1]}}}" for edge in edges]
    return "\n".join(lines) + "\n"


def test_a_region_is_every_node_between_entry_and_loop() -> None:
    # Given a body with two branches, nodes before it and behind it
    text = definition("a b c d e<b f", "a->b", "b->c", "b->d", "c->e", "d->e", "e->f")
    # Then its region has exactly the body
    assert plan_of(text).regions == (region("e", "b", "b c d e"),)


def test_a_loop_can_be_one_node_alone() -> None:
    assert plan_of(definition("a b<b c", "a->b", "b->c")).regions == (region("b", "b", "b"),)


def test_regions_nest_and_the_outer_stands_first() -> None:
    # Given a loop in a loop in a loop, and one beside them, inner ones written first
    text = definition("c<c d<b e<a f<f a b g<g", "a->b", "b->c", "c->d", "d->e", "e->f", "f->g")
    # Then each knows the one around it
    assert plan_of(text).regions == (
        region("e", "a", "c d e a b"),
        region("f", "f", "f"),
        region("g", "g", "g"),
        region("d", "b", "c d b", "e"),
        region("c", "c", "c", "d"),
    )


def test_nested_loops_may_begin_at_the_same_node() -> None:
    assert plan_of(definition("a b<a c<a", "a->b", "b->c")).regions == (
        region("c", "a", "a b c"),
        region("b", "a", "a b", "c"),
    )


def test_a_loop_that_its_entry_never_reaches_is_refused() -> None:
    assert problems_of(definition("a<b b", "a->b")) == [
        "CMP017 /nodes/0/loop/loop_back_to (line 2): no path leads from `b` to `a`, so there is nothing to go round. "
        "Is an edge missing?"
    ]


def test_an_edge_into_the_middle_of_a_loop_is_refused() -> None:
    # Given an edge past the entry, from a node that starts with the run
    text = definition("a b c<b", "a->c", "b->c")
    assert problems_of(text) == [
        "CMP018 /edges/0 (line 6): this edge enters the loop that `c` closes at `c`; a loop is entered only where each "
        "pass begins, at `b`."
    ]


def test_an_edge_out_of_the_middle_of_a_loop_is_refused() -> None:
    # Given a branch of the body that does not come back, and one that leaves it on an error
    text = definition("a b c<a", "a->b", "a->c") + "- {from: a, to: b, id: e, on: error}\n"
    told = (
        "this edge leaves the loop that `c` closes from `a`; a loop is left only through the node that closes it. "
        "Let `b` lead to `c`, or follow it."
    )
    assert problems_of(text) == [f"CMP019 /edges/0 (line 6): {told}", f"CMP019 /edges/2 (line 8): {told}"]


def test_loops_that_overlap_are_refused() -> None:
    # Given a loop that begins at the node which closes another
    text = definition("a b<a c<b", "a->b", "b->c")
    assert problems_of(text) == [
        "CMP020 /nodes/2/loop (line 4): the loop that `c` closes and the one that `b` closes share `b`, and neither is "
        "inside the other. Let one contain the other, or take them apart."
    ]


def test_the_way_back_written_as_an_edge_is_refused() -> None:
    assert problems_of(definition("a b<a", "a->b", "b->a")) == [
        "CMP021 /edges/1 (line 6): that `b` leads back to `a` is what `loop_back_to` says already. Remove this edge."
    ]


def test_a_path_out_of_a_loop_into_its_own_body_is_refused() -> None:
    text = """\
        nodes:
        - {id: a, type: f}
        - {id: b, type: f}
        - {id: c, type: f, loop: {condition: output.x, max_iterations: 2, loop_back_to: a, break_path: a}}
        edges:
        - {from: a, to: b}
        - {from: b, to: c}
        - {from: c, to: b}
        """
    told = "What follows a loop is outside of it; back into it leads only `loop_back_to`."
    assert problems_of(text) == [
        f"CMP022 /nodes/2/loop/break_path (line 4): `a` is in the body of the loop that `c` closes. {told}",
        f"CMP022 /edges/2 (line 8): `b` is in the body of the loop that `c` closes. {told}",
    ]


NODES = 6


@st.composite
def loops_at_random(draw: st.DrawFn) -> dict[str, Any]:
    """Forward edges and up to two loops wherever they fall: mostly not what a region may be."""
    nodes: list[dict[str, Any]] = [{"id": f"n{place}", "type": "f"} for place in range(NODES)]
    pairs = [(f"n{low}", f"n{high}") for low, high in product(range(NODES), repeat=2) if low < high]
    edges = draw(st.lists(st.sampled_from(pairs), min_size=NODES - 2, max_size=9, unique=True))
    for _ in range(draw(st.integers(1, 2))):
        entry, end = sorted((draw(st.integers(0, NODES - 1)), draw(st.integers(0, NODES - 1))))
        nodes[end]["loop"] = {"condition": "output.x", "max_iterations": 2, "loop_back_to": f"n{entry}"}
    return {"nodes": nodes, "edges": [{"from": source, "to": target} for source, target in edges]}


def body_by_definition(document: dict[str, Any], entry: str, end: str) -> frozenset[str]:
    """Every node on some path from entry to end, by writing all of them down."""
    found: set[str] = set()

    def walk(path: list[str]) -> None:
        if path[-1] == end:
            found.update(path)
            return
        for edge in document["edges"]:
            if edge["from"] == path[-1]:
                walk([*path, edge["to"]])

    walk([entry])
    return frozenset(found)


def is_a_region(document: dict[str, Any], body: frozenset[str], entry: str, end: str) -> bool:
    """Entered only at `entry`, left only from `end`."""
    into = {edge["to"] for edge in document["edges"] if edge["from"] not in body and edge["to"] in body}
    out = {edge["from"] for edge in document["edges"] if edge["from"] in body and edge["to"] not in body}
    return bool(body) and into <= {entry} and out <= {end}


@settings(max_examples=300, deadline=None)
@given(loops_at_random())
def test_what_compiles_has_regions_and_what_has_none_is_refused(document: dict[str, Any]) -> None:
    # Given the bodies by the letter of SEMANTICS §4
    ends = {node["id"]: node["loop"]["loop_back_to"] for node in document["nodes"] if "loop" in node}
    bodies = {end: body_by_definition(document, entry, end) for end, entry in ends.items()}
    fit = all(is_a_region(document, bodies[end], entry, end) for end, entry in ends.items())
    fit = fit and all(
        one <= other or other <= one or not one & other for one in bodies.values() for other in bodies.values()
    )
    # When the definition is compiled, then it is refused exactly if they are no regions, and else has just these
    problems = problems_of(document)
    assert {problem[:6] for problem in problems} <= {"CMP017", "CMP018", "CMP019", "CMP020"}
    assert (problems == []) is fit
    if fit:
        assert {region.id: frozenset(region.nodes) for region in plan_of(document).regions} == bodies
