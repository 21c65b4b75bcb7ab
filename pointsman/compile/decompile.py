"""From a plan back to a definition that compiles to it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.definition import Document
from pointsman.plan import Edge, Guards, Join, Node, Plan, Retry


def decompile(plan: Plan) -> Document:
    """A definition of the plan, every way between nodes an edge, defaults left out. It compiles to the plan again."""
    document: Document = {"name": plan.name, "nodes": [_node(node) for node in plan.nodes]}
    if plan.edges:
        document["edges"] = [_edge(edge) for edge in plan.edges]
    about = _metadata(plan)
    return document | ({"metadata": about} if about else {})


def _node(node: Node) -> dict[str, Any]:
    written: dict[str, Any] = _json(node)
    kind = written.pop("kind")
    written = {"id": node.id, "type": node.type or kind} | written
    written |= {"join": "any" if node.join.mode == "any" else _json(node.join)}
    written |= {"retry": {"max_attempts": node.retry.max_attempts} | _json(node.retry)}
    if node.loop is not None:
        written["loop"]["loop_back_to"] = written["loop"].pop("entry")
    unsaid = {"join": node.join == Join(), "retry": node.retry == Retry()}
    return {field: value for field, value in written.items() if not unsaid.get(field)}


def _edge(edge: Edge) -> dict[str, Any]:
    written: dict[str, Any] = _json(edge)
    if edge.id == f"{edge.source}->{edge.target}":
        del written["id"]
    return written


def _metadata(plan: Plan) -> dict[str, Any]:
    written: dict[str, Any] = _json(plan)
    named = {"output": "output", "failure_policy": "failure_policy", "limits": "guards"}
    if plan.guards == Guards():
        del named["limits"]
    return dict(plan.metadata or {}) | {name: written[field] for name, field in named.items() if field in written}


def _json(part: msgspec.Struct) -> dict[str, Any]:
    """A part of the plan as JSON values of its own, defaults left out."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(part))
    return values
