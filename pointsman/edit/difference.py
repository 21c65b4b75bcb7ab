"""What is different between two plans, as people see a graph: nodes, edges, and the order of branches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from pointsman.base.ids import EdgeId, NodeId
from pointsman.base.sameness import is_same
from pointsman.definition.positions import escape
from pointsman.plan import Edge, Node, Plan
from pointsman.plan.sameness import is_the_same

Id = TypeVar("Id", NodeId, EdgeId)


class Change(msgspec.Struct, frozen=True):
    """One value that is another. A value that is not there at all is left out, also in JSON."""

    pointer: str
    """RFC 6901, from the node, edge or plan: `/config/to`."""
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


class NodeChange(msgspec.Struct, frozen=True):
    """A node that both plans have."""

    id: NodeId
    changes: tuple[Change, ...]


class EdgeChange(msgspec.Struct, frozen=True):
    """An edge that both plans have."""

    id: EdgeId
    changes: tuple[Change, ...]


class Reordering(msgspec.Struct, frozen=True):
    """The edges out of `node` that both plans have, tried in another order."""

    node: NodeId
    before: tuple[EdgeId, ...]
    after: tuple[EdgeId, ...]


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that is different between a plan and the next; empty where nothing is that a run could tell."""

    nodes_added: tuple[Node, ...] = ()
    nodes_removed: tuple[Node, ...] = ()
    nodes_changed: tuple[NodeChange, ...] = ()
    edges_added: tuple[Edge, ...] = ()
    edges_removed: tuple[Edge, ...] = ()
    edges_changed: tuple[EdgeChange, ...] = ()
    edges_reordered: tuple[Reordering, ...] = ()
    plan_changed: tuple[Change, ...] = ()
    """Of the plan as a whole: its name, output, failure policy, guards and metadata."""

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return self == Difference()


def difference(before: Plan, after: Plan) -> Difference:
    """Compare two plans. Neither the order of nodes nor that of edges out of different nodes counts."""
    nodes = {node.id: node for node in before.nodes}, {node.id: node for node in after.nodes}
    edges = {edge.id: edge for edge in before.edges}, {edge.id: edge for edge in after.edges}
    return Difference(
        nodes_added=tuple(node for node in after.nodes if node.id not in nodes[0]),
        nodes_removed=tuple(node for node in before.nodes if node.id not in nodes[1]),
        nodes_changed=tuple(NodeChange(key, found) for key, found in _changed(*nodes)),
        edges_added=tuple(edge for edge in after.edges if edge.id not in edges[0]),
        edges_removed=tuple(edge for edge in before.edges if edge.id not in edges[1]),
        edges_changed=tuple(EdgeChange(key, found) for key, found in _changed(*edges)),
        edges_reordered=tuple(_reordered(*edges)),
        plan_changed=tuple(_plan_changes(before, after)),
    )


def _changed(
    before: Mapping[Id, msgspec.Struct], after: Mapping[Id, msgspec.Struct]
) -> Iterator[tuple[Id, tuple[Change, ...]]]:
    for key, part in after.items():
        if key in before and not is_the_same(before[key], part):
            changes = tuple(_changes(_written(before[key]), _written(part), ""))
            if changes:
                yield key, changes


def _plan_changes(before: Plan, after: Plan) -> Iterator[Change]:
    for field in ("name", "output", "failure_policy", "guards", "metadata"):
        yield from _changes(_written(getattr(before, field)), _written(getattr(after, field)), f"/{field}")


def _reordered(before: Mapping[EdgeId, Edge], after: Mapping[EdgeId, Edge]) -> Iterator[Reordering]:
    """Where the edges that stayed with their node are tried in another order."""
    kept = {key for key in before if key in after and after[key].source == before[key].source}
    was, now = _ordered(before, kept), _ordered(after, kept)
    for node, edges in was.items():
        if edges != now[node]:
            yield Reordering(node, tuple(edges), tuple(now[node]))


def _ordered(edges: Mapping[EdgeId, Edge], kept: Iterable[EdgeId]) -> dict[NodeId, list[EdgeId]]:
    wanted, found = frozenset(kept), dict[NodeId, list[EdgeId]]()
    for key, edge in edges.items():
        if key in wanted:
            found.setdefault(edge.source, []).append(key)
    return found


def _changes(before: Any, after: Any, pointer: str) -> Iterator[Change]:
    """Where two JSON values differ; inside of objects, each member by itself."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            inner = before.get(name, UNSET), after.get(name, UNSET)
            yield from _changes(*inner, f"{pointer}/{escape(name)}")
    elif not is_same(before, after):
        yield Change(pointer, before, after)


def _written(part: Any) -> Any:
    """A part of a plan as JSON values, defaults written out."""
    if isinstance(part, msgspec.Struct):
        names = zip(part.__struct_encode_fields__, part.__struct_fields__, strict=True)
        return {name: _written(getattr(part, field)) for name, field in names}
    return [_written(item) for item in part] if isinstance(part, tuple) else part
