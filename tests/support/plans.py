"""Plans built by hand, for tests of the engine that want no compiler between them and what they say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from pointsman.base.ids import EdgeId, NodeId
from pointsman.plan import Edge, Kind, Leave, Loop, Node, On, Plan, Region


def task(name: str, **fields: Any) -> Node:
    """A node for the workers of type `function`."""
    return Node(NodeId(name), "task", **{"type": "function", **fields})


def control(kind: Kind, name: str, **fields: Any) -> Node:
    """A node of any kind that runs inside the coordinator."""
    return Node(NodeId(name), kind, **fields)


def looping(node: Node, back_to: str, condition: str, most: int = 10) -> Node:
    """The same node, closing a loop."""
    return replace(node, loop=Loop(condition, most, NodeId(back_to)))


def edge(
    way: str, when: str | None = None, *, on: On = "success", leave: Leave | None = None, name: str | None = None
) -> Edge:
    """An edge written `a->b`."""
    source, _, target = way.partition("->")
    return Edge(EdgeId(name or way), NodeId(source), NodeId(target), when, on, leave)


def plan(*parts: Node | Edge | str, **fields: Any) -> Plan:
    """A plan of nodes and edges in the order given; a string such as `a->b->c` is a chain of plain edges."""
    nodes = tuple(part for part in parts if isinstance(part, Node))
    edges = tuple(found for part in parts for found in _edges(part))
    return Plan(**{"name": "test", "nodes": nodes, "edges": edges, "regions": regions(nodes, edges), **fields})


def regions(nodes: tuple[Node, ...], edges: tuple[Edge, ...]) -> tuple[Region, ...]:
    """The bodies of all loops, outer before inner: what lies on a way from `loop_back_to` to the loop node."""
    bodies = {node.id: (node.loop.entry, _body(node.id, node.loop.entry, nodes, edges)) for node in nodes if node.loop}
    found = [
        Region(name, entry, tuple(node.id for node in nodes if node.id in body), _around(name, bodies))
        for name, (entry, body) in bodies.items()
    ]
    return tuple(sorted(found, key=lambda region: -len(region.nodes)))


def _edges(part: Node | Edge | str) -> list[Edge]:
    if isinstance(part, Edge):
        return [part]
    if isinstance(part, str):
        names = part.split("->")
        return [edge(f"{source}->{target}") for source, target in pairwise(names)]
    return []


def _body(name: NodeId, entry: NodeId, nodes: tuple[Node, ...], edges: tuple[Edge, ...]) -> set[NodeId]:
    """All nodes from which the loop node is reached, among those that are reached from the entry."""
    forward = _reached({entry}, [(edge.source, edge.target) for edge in edges if edge.source != name])
    backward = _reached({name}, [(edge.target, edge.source) for edge in edges if edge.target in forward])
    return forward & backward


def _reached(start: set[NodeId], steps: list[tuple[NodeId, NodeId]]) -> set[NodeId]:
    reached = set(start)
    while more := {target for source, target in steps if source in reached} - reached:
        reached |= more
    return reached


def _around(name: NodeId, bodies: dict[NodeId, tuple[NodeId, set[NodeId]]]) -> NodeId | None:
    around = [(len(body), other) for other, (_, body) in bodies.items() if other != name and name in body]
    return min(around)[1] if around else None
