"""Definitions written in one line each, patterns applied to them, and what came out, short enough to compare."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from pointsman.base.errors import EditRefused
from pointsman.edit.patterns import apply_pattern, read_request
from pointsman.plan import Edge
from tests.support.edited import EditedRun
from tests.support.random_edits import compiled

Document = dict[str, Any]


def graph(*parts: str | Document) -> Document:
    """A definition of chains such as `a->b->c`, of edges, and of nodes; nodes that are only named are functions."""
    given = {part["id"]: part for part in parts if isinstance(part, dict) and "type" in part}
    edges: list[Document] = []
    for part in parts:
        if isinstance(part, str):
            edges += ({"from": one, "to": other} for one, other in pairwise(part.split("->")))
        elif "from" in part:
            edges.append(part)
    named = [name for part in parts for name in _named(part)]
    nodes = [given.get(name, {"id": name, "type": "function"}) for name in dict.fromkeys(named)]
    return {"name": "test", "nodes": nodes, "edges": edges}


def _named(part: str | Document) -> list[str]:
    if isinstance(part, str):
        return part.split("->")
    return [part["id"]] if "type" in part else [part["from"], part["to"]]


def way(ends: str, when: str | None = None, **fields: str) -> Document:
    """An edge as it is written."""
    source, _, target = ends.partition("->")
    return {"from": source, "to": target, **({"when": when} if when else {}), **fields}


def node(name: str, kind: str = "function", **fields: Any) -> Document:
    """A node as it is written."""
    return {"id": name, "type": kind, **fields}


def operations(document: Document, pattern: str, **fields: Any) -> list[Any]:
    """What a pattern becomes."""
    return list(apply_pattern(document, read_request(_request(pattern, fields)))[0])


def after(document: Document, pattern: str, **fields: Any) -> Document:
    """The definition after a pattern; it must compile."""
    changed = apply_pattern(document, read_request(_request(pattern, fields)))[1]
    compiled(changed)
    return changed


def refused(document: Document, pattern: str, **fields: Any) -> str:
    """What a pattern that cannot be applied is told: code, pointer and message of its first problem."""
    with pytest.raises(EditRefused) as caught:
        apply_pattern(document, read_request(_request(pattern, fields)))
    assert "nothing changed" in caught.value.message
    problem = caught.value.problems[0]
    return f"{caught.value.code} {problem.pointer} {problem.message}"


def ways(document: Document) -> list[str]:
    """The edges of a definition, those out of one node in their order, the nodes sorted."""
    return [_told(edge) for edge in sorted(compiled(document).edges, key=lambda edge: edge.source)]


def field(document: Document, name: str, key: str) -> Any:
    """A field of a node, as written."""
    return next(node for node in document["nodes"] if node["id"] == name).get(key)


def loops(document: Document) -> dict[str, tuple[str, ...]]:
    """The nodes of each loop, in the order in which they are written."""
    return {region.id: region.nodes for region in compiled(document).regions}


def begun(document: Document, run_input: Any = None) -> EditedRun:
    """A run of a definition."""
    return EditedRun(compiled(document), run_input)


def _request(pattern: str, fields: dict[str, Any]) -> dict[str, Any]:
    """`from` and `as` are words of Python, so they are written `from_` and `as_`."""
    return {"pattern": pattern, **{name.rstrip("_"): value for name, value in fields.items()}}


def _told(edge: Edge) -> str:
    said = [edge.when, f"on {edge.on}" if edge.on != "success" else None, edge.leave, _own_id(edge)]
    return " ".join([f"{edge.source}->{edge.target}", *(f"[{text}]" for text in said if text)])


def _own_id(edge: Edge) -> str | None:
    return None if edge.id == f"{edge.source}->{edge.target}" else f"id {edge.id}"
