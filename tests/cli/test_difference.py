"""The difference between two graphs in text: drawn before and after, every change told once."""

from __future__ import annotations

from io import StringIO

import msgspec
from rich.console import Console

from pointsman.cli.difference import after, read_difference, told_difference
from pointsman.edit.difference import Difference, difference
from pointsman.plan import Edge, Plan
from tests.support.plans import plan, task

BEFORE = plan(*(task(name) for name in ("aaa", "bbb", "ccc")), "aaa->bbb->ccc")


def told(before: Plan, new: Plan) -> list[str]:
    """What is shown, after a way over the wire."""
    found = read_difference(msgspec.json.decode(msgspec.json.encode(difference(before, new))))
    console = Console(file=StringIO(), width=80, highlight=False)
    console.print(told_difference(before, found, 80))
    file = console.file
    assert isinstance(file, StringIO)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_node_in_place_of_another_is_shown_before_and_after() -> None:
    new = plan(*(task(name) for name in ("aaa", "new", "ccc")), "aaa->new->ccc")
    assert told(BEFORE, new) == [
        "before:",
        "   aaa",
        "    │",
        "  ✖ bbb",
        "    │",
        "   ccc",
        "after:",
        "   aaa",
        "    │",
        "  ✚ new",
        "    │",
        "   ccc",
        "",
        "✚ node new  function",
        "✖ node bbb  function",
        "✚ edge aaa → new",
        "✚ edge new → ccc",
        "✖ edge aaa → bbb",
        "✖ edge bbb → ccc",
    ]


def test_a_graph_that_keeps_its_shape_is_drawn_once() -> None:
    nodes = (task("aaa"), task("bbb", config={"to": "x"}, timeout_ms=5), task("ccc"))
    assert told(BEFORE, plan(*nodes, "aaa->bbb->ccc")) == [
        "   aaa",
        "    │",
        "  ~ bbb",
        "    │",
        "   ccc",
        "",
        '~ node bbb  /config: null → {"to": "x"}',
        "~ node bbb  /timeout_ms: null → 5",
    ]


def test_an_edge_that_leads_elsewhere_is_drawn_there() -> None:
    # Given an edge that keeps its id while another node is at its end
    moved = msgspec.structs.replace(BEFORE.edges[1], target=BEFORE.nodes[0].id, source=BEFORE.nodes[2].id)
    new = msgspec.structs.replace(BEFORE, edges=(moved,))
    # Then the graph after it has just that edge
    ends = [(edge.source, edge.target) for edge in after(BEFORE, difference(BEFORE, new)).edges]
    assert ends == [("ccc", "aaa")]


def test_a_plan_that_differs_in_nothing_is_said_to_stay() -> None:
    assert told(BEFORE, BEFORE) == ["The graph stays as it is."]
    assert after(BEFORE, Difference()) == BEFORE


def test_conditions_and_the_order_of_branches_are_told() -> None:
    # Given branches that are tried in another order, one of them under a condition now
    first = plan(*(task(name) for name in "abc"), "a->b", "a->c")
    back, forth = reversed(first.edges), first.edges
    conditioned = Edge(forth[0].id, forth[0].source, forth[0].target, when="output.ok", on="error")
    new = msgspec.structs.replace(first, edges=(next(iter(back)), conditioned))
    # Then each is a line
    lines = told(first, new)[-3:]
    assert lines[:2] == ['~ edge a->b  /when: null → "output.ok"', '~ edge a->b  /on: "success" → "error"']
    assert lines[2] == "~ order of the edges out of a  a->c, a->b, before a->b, a->c"
