"""What is different between two graphs, as people see it: drawn before and after, then told line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET
from rich.console import Group, RenderableType
from rich.text import Text

from pointsman.cli.picture import Label, Picture
from pointsman.edit.difference import Change, Difference, EdgeChange
from pointsman.plan import Edge, Node, Plan

ADDED: Final = ("✚", "bold green")
REMOVED: Final = ("✖", "bold red")
CHANGED: Final = ("~", "bold yellow")

_SHOWN: Final = 80
"""Characters of a value that a line has room for."""


def read_difference(told: Any) -> Difference:
    """A difference as the API tells it."""
    return msgspec.convert(told, Difference)


def after(plan: Plan, found: Difference) -> Plan:
    """The nodes and edges that a plan has once it differs by `found`; all that a picture needs."""
    nodes_gone, edges_gone = {node.id for node in found.nodes_removed}, {edge.id for edge in found.edges_removed}
    changed = {change.id: change for change in found.edges_changed}
    edges = (_moved(edge, changed.get(edge.id)) for edge in plan.edges if edge.id not in edges_gone)
    return msgspec.structs.replace(
        plan,
        nodes=(*(node for node in plan.nodes if node.id not in nodes_gone), *found.nodes_added),
        edges=(*edges, *found.edges_added),
    )


def told_difference(plan: Plan, found: Difference, width: int) -> RenderableType:
    """The graph before and after, and a line for each change; one graph where its shape stays the same."""
    lines = Text("\n").join(change_lines(found))
    if found.is_empty:
        return Text("The graph stays as it is.")
    marks = {node.id: REMOVED for node in found.nodes_removed} | {node.id: ADDED for node in found.nodes_added}
    marks |= {change.id: CHANGED for change in found.nodes_changed}

    def label(node: Node) -> Label:
        glyph, style = marks.get(node.id, ("", ""))
        return Label(f"{glyph} {node.id}".strip(), style)

    new = after(plan, found)
    drawn = Picture(new).draw(label, width)
    if _shape(new) == _shape(plan):
        return Group(drawn, Text(), lines)
    old = Picture(plan).draw(label, width)
    return Group(_heading("before"), old, _heading("after"), drawn, Text(), lines)


def _moved(edge: Edge, change: EdgeChange | None) -> Edge:
    """An edge that may lead from or to another node than before."""
    ends = {"/from": "source", "/to": "target"}
    found = {ends[one.pointer]: one.after for one in change.changes if one.pointer in ends} if change else {}
    return msgspec.structs.replace(edge, **found)


def _shape(plan: Plan) -> tuple[set[str], set[tuple[str, str]]]:
    return {node.id for node in plan.nodes}, {(edge.source, edge.target) for edge in plan.edges}


def _heading(text: str) -> Text:
    return Text(f"{text}:", "dim")


def change_lines(found: Difference) -> Iterator[Text]:
    """A line for each change."""
    yield from (_line(ADDED, f"node {node.id}", node.type or node.kind) for node in found.nodes_added)
    yield from (_line(REMOVED, f"node {node.id}", node.type or node.kind) for node in found.nodes_removed)
    for node in found.nodes_changed:
        yield from (_line(CHANGED, f"node {node.id}", _change(change)) for change in node.changes)
    yield from (_line(ADDED, f"edge {edge.source} → {edge.target}", _condition(edge)) for edge in found.edges_added)
    yield from (_line(REMOVED, f"edge {edge.source} → {edge.target}", _condition(edge)) for edge in found.edges_removed)
    for edge in found.edges_changed:
        yield from (_line(CHANGED, f"edge {edge.id}", _change(change)) for change in edge.changes)
    for order in found.edges_reordered:
        told = f"{', '.join(order.after)}, before {', '.join(order.before)}"
        yield _line(CHANGED, f"order of the edges out of {order.node}", told)
    yield from (_line(CHANGED, "workflow", _change(change)) for change in found.plan_changed)


def _line(mark: tuple[str, str], what: str, rest: str) -> Text:
    glyph, style = mark
    return Text.assemble((f"{glyph} {what}", style), (f"  {rest}" if rest else "", "dim"))


def _condition(edge: Edge) -> str:
    on = f"on {edge.on}" if edge.on != "success" else ""
    return f"{on} when {edge.when}".strip() if edge.when else on


def _change(change: Change) -> str:
    return f"{change.pointer}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    if value is UNSET:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
