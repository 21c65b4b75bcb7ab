"""Definitions as short as they can be."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

Document = dict[str, Any]


def node(name: str, handler: str = "give", **fields: Any) -> Document:
    """A node for the handlers of these tests; what is no field of a node goes into its config."""
    own = {key: fields.pop(key) for key in list(fields) if key in _FIELDS}
    return {"id": name, "type": "function", "config": {"handler": handler, **fields}, **own}


def by_hand(name: str, task_type: str, **fields: Any) -> Document:
    """A node whose tasks the test does itself."""
    return {"id": name, "type": task_type, **fields}


def control(name: str, kind: str, **fields: Any) -> Document:
    """A node that no worker is needed for."""
    return {"id": name, "type": kind, **fields}


def definition(*parts: Document | str, **fields: Any) -> Document:
    """Nodes, and edges: as objects, or as text that is a chain, `a->b->c`."""
    nodes = [part for part in parts if isinstance(part, dict) and "id" in part]
    edges = [edge for part in parts if part not in nodes for edge in _edges(part)]
    return {"name": "test", "nodes": nodes, "edges": edges, **fields}


def edge(way: str, **fields: Any) -> Document:
    """One edge, `a->b`."""
    source, _, target = way.partition("->")
    return {"from": source, "to": target, **fields}


_FIELDS = frozenset(
    {"retry", "timeout_ms", "deadline_ms", "join", "route", "loop", "context", "failure_policy", "max_deliveries"}
)


def _edges(part: Document | str) -> list[Document]:
    if isinstance(part, dict):
        return [part]
    names = part.split("->")
    return [edge(f"{source}->{target}") for source, target in pairwise(names)]
