"""Regions: the bodies of loops. Entered at one node, left through one, and nested or apart (SEMANTICS §4)."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.base.ids import NodeId
from pointsman.compile.cycles import leading_to
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.plan import Region


def enclose(graph: Graph, findings: Findings) -> tuple[Region, ...]:
    """Find the region of each loop, outer before inner. Those that are none are in `findings` and left out."""
    bodies = {node: _body(graph, node, findings) for node in graph.loops}
    return _nested(graph, {node: body for node, body in bodies.items() if body}, findings)


def _body(graph: Graph, node: NodeId, findings: Findings) -> frozenset[NodeId]:
    """Every node on a path from the entry to `node`; nothing where there is no such path."""
    entry = NodeId(graph.loops[node].loop_back_to)
    before = leading_to(graph, node, entry)
    if entry not in before:
        told = f"no path leads from `{entry}` to `{node}`, so there is nothing to go round. Is an edge missing?"
        findings.refuse("CMP017", f"{graph.places.nodes[node]}/loop/loop_back_to", told)
        return frozenset()
    body = [entry]
    inside = {entry}
    for member in body:
        for edge in graph.out[member]:
            if edge.target in before and edge.target not in inside:
                inside.add(edge.target)
                body.append(edge.target)
    _check_walls(graph, node, body, findings)
    return frozenset(inside)


def _check_walls(graph: Graph, node: NodeId, body: list[NodeId], findings: Findings) -> None:
    entry, inside = body[0], frozenset(body)
    for member in body:
        for edge in graph.ins[member] if member != entry else ():
            if edge.source not in inside:
                told = (
                    f"this edge enters the loop that `{node}` closes at `{member}`; a loop is entered only where each "
                    f"pass begins, at `{entry}`."
                )
                findings.refuse("CMP018", graph.places.edges[edge.id], told)
        for edge in graph.out[member] if member != node else ():
            if edge.target not in inside:
                told = (
                    f"this edge leaves the loop that `{node}` closes from `{member}`; a loop is left only through the "
                    f"node that closes it. Let `{edge.target}` lead to `{node}`, or follow it."
                )
                findings.refuse("CMP019", graph.places.edges[edge.id], told)


def _nested(graph: Graph, bodies: dict[NodeId, frozenset[NodeId]], findings: Findings) -> tuple[Region, ...]:
    """Put each body inside the smallest one around it."""
    innermost: dict[NodeId, NodeId | None] = dict.fromkeys(graph.nodes)
    depth: dict[NodeId, int] = {}
    regions: list[Region] = []
    for node in sorted(bodies, key=lambda node: -len(bodies[node])):
        body = bodies[node]
        parents = {innermost[member] for member in body}
        if len(parents) > 1:
            _refuse_overlap(graph, node, bodies, parents, findings)
            continue
        parent = parents.pop()
        depth[node] = depth[parent] + 1 if parent is not None else 0
        innermost |= dict.fromkeys(body, node)
        nodes = tuple(member for member in graph.nodes if member in body)
        regions.append(Region(node, NodeId(graph.loops[node].loop_back_to), nodes, parent))
    written = {node: place for place, node in enumerate(graph.nodes)}
    return tuple(sorted(regions, key=lambda region: (depth[region.id], written[region.id])))


def _refuse_overlap(
    graph: Graph,
    node: NodeId,
    bodies: dict[NodeId, frozenset[NodeId]],
    parents: Iterable[NodeId | None],
    findings: Findings,
) -> None:
    body = bodies[node]
    crossed = next(other for other in parents if other is not None and not body <= bodies[other])
    shared = next(member for member in graph.nodes if member in body and member in bodies[crossed])
    told = (
        f"the loop that `{node}` closes and the one that `{crossed}` closes share `{shared}`, and neither is inside "
        f"the other. Let one contain the other, or take them apart."
    )
    findings.refuse("CMP020", f"{graph.places.nodes[node]}/loop", told)
