"""Which edits are taken: those that only add nodes and edges."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.errors import Problem
from pointsman.plan import Node, Plan


def not_additive(old: Plan, new: Plan) -> list[Problem]:
    """Every change between two plans that is more than an added node or edge."""
    found = [*_changed_nodes(old, new), *_changed_edges(old, new)]
    for field in ("output", "failure_policy", "guards"):
        if getattr(old, field) != getattr(new, field):
            found.append(_refusal("/metadata", f"`{field}` of a running run"))
    return found


def _changed_nodes(old: Plan, new: Plan) -> list[Problem]:
    now = {node.id: node for node in new.nodes}
    found = []
    for node in old.nodes:
        if node.id not in now:
            found.append(_refusal(f"/nodes/{node.id}", f"removing node `{node.id}`"))
        elif _essence(now[node.id]) != _essence(node):
            found.append(_refusal(f"/nodes/{node.id}", f"changing node `{node.id}`"))
    return found


def _essence(node: Node) -> Node:
    return replace(node, metadata=None)


def _changed_edges(old: Plan, new: Plan) -> list[Problem]:
    now = {edge.id: edge for edge in new.edges}
    found = []
    for edge in old.edges:
        if edge.id not in now:
            found.append(_refusal(f"/edges/{edge.id}", f"removing edge `{edge.id}`"))
        elif now[edge.id] != edge:
            found.append(_refusal(f"/edges/{edge.id}", f"changing edge `{edge.id}`"))
    kept = [edge.id for edge in new.edges if edge.id in {before.id for before in old.edges}]
    if not found and kept != [edge.id for edge in old.edges]:
        found.append(_refusal("/edges", "changing the order of edges"))
    return found


def _refusal(pointer: str, what: str) -> Problem:
    return Problem(
        "EDT020", pointer, f"{what} is not among the edits a run takes: add nodes and edges. Nothing was changed"
    )
