"""A plan in the languages of others: Mermaid and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pointsman.plan import Edge, Kind, Node, Plan

_MERMAID: Final[dict[Kind, tuple[str, str]]] = {
    "task": ("[", "]"),
    "conditional": ("{", "}"),
    "loop": ("[", "]"),
    "parallel": ("[[", "]]"),
    "join": ("[[", "]]"),
    "wait": ("([", "])"),
}
_DOT: Final[dict[Kind, str]] = {
    "task": "box",
    "conditional": "diamond",
    "loop": "box",
    "parallel": "box3d",
    "join": "box3d",
    "wait": "oval",
}
_MERMAID_ESCAPES: Final = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;", "\n": " "})
_DOT_ESCAPES: Final = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " "})


def as_mermaid(plan: Plan) -> str:
    """A Mermaid flowchart. Nodes get short names of their own: not every id is one in Mermaid."""
    names = {node.id: f"n{number}" for number, node in enumerate(plan.nodes)}
    lines = ["flowchart TD"]
    for node in plan.nodes:
        opening, closing = _MERMAID[node.kind]
        lines.append(f'  {names[node.id]}{opening}"{"<br/>".join(map(_in_mermaid, _title(node)))}"{closing}')
    for edge in plan.edges:
        lines.append(f"  {names[edge.source]} {_arrow(edge)} {names[edge.target]}")
    for node, told in _loops(plan):
        assert node.loop is not None
        lines.append(f'  {names[node.id]} -.->|"{_in_mermaid(told)}"| {names[node.loop.entry]}')
    return "\n".join(lines) + "\n"


def as_dot(plan: Plan) -> str:
    """A Graphviz digraph."""
    lines = [f"digraph {_in_dot(plan.name)} {{", "  node [fontname=Helvetica]; edge [fontname=Helvetica, fontsize=10];"]
    for node in plan.nodes:
        label = r"\n".join(_in_dot(part)[1:-1] for part in _title(node))
        lines.append(f'  {_in_dot(node.id)} [label="{label}", shape={_DOT[node.kind]}];')
    for edge in plan.edges:
        style = ", style=dashed" if edge.on != "success" else ""
        lines.append(f"  {_in_dot(edge.source)} -> {_in_dot(edge.target)} [label={_in_dot(_told(edge))}{style}];")
    for node, told in _loops(plan):
        assert node.loop is not None
        attributes = f"label={_in_dot(told)}, style=dotted, constraint=false"
        lines.append(f"  {_in_dot(node.id)} -> {_in_dot(node.loop.entry)} [{attributes}];")
    return "\n".join([*lines, "}"]) + "\n"


def _title(node: Node) -> list[str]:
    return [node.id, node.type or node.kind]


def _arrow(edge: Edge) -> str:
    shaft, told = ("-.->" if edge.on != "success" else "-->"), _told(edge)
    return f'{shaft}|"{_in_mermaid(told)}"|' if told else shaft


def _told(edge: Edge) -> str:
    """What stands at an edge: how the node must end for it, and its condition."""
    how = f"on {edge.on}" if edge.on != "success" else "passes used up" if edge.leave == "timeout" else ""
    return ": ".join(part for part in (how, edge.when or "") if part)


def _loops(plan: Plan) -> Iterator[tuple[Node, str]]:
    for node in plan.nodes:
        if node.loop is not None:
            yield node, f"↺ {node.loop.condition} (at most {node.loop.max_iterations})"


def _in_mermaid(text: str) -> str:
    return text.translate(_MERMAID_ESCAPES)


def _in_dot(text: str) -> str:
    return f'"{text.translate(_DOT_ESCAPES)}"'
