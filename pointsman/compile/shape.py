"""What concerns the graph as a whole: that it has nodes, where a run begins, what it reaches, how large it may be."""

from __future__ import annotations

from pointsman.base.ids import NodeId
from pointsman.base.reaching import reached
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.definition import Definition


def check_shape(definition: Definition, linked: Graph, forwards: Graph, findings: Findings) -> None:
    """Check the graph: `linked` may have cycles, `forwards` is the same without the edges that close them."""
    limits = definition.metadata.limits
    if not definition.nodes:
        findings.refuse("CMP001", "/nodes", "the definition has no nodes; a run would have nothing to do.")
    if len(definition.nodes) > limits.max_nodes:
        told = f"the definition has {len(definition.nodes):,} nodes, and its `max_nodes` allows {limits.max_nodes:,}."
        findings.refuse("CMP026", "/nodes", told)
    for node, loop in linked.loops.items():
        if loop.max_iterations > limits.max_loop_iterations:
            told = (
                f"`max_iterations` is {loop.max_iterations:,}, and the definition's `max_loop_iterations` allows a run "
                f"{limits.max_loop_iterations:,} passes in all. Lower the one or raise the other."
            )
            findings.refuse("CMP023", f"{linked.places.nodes[node]}/loop/max_iterations", told)
    _check_reach(linked, forwards, findings)


def _check_reach(linked: Graph, forwards: Graph, findings: Findings) -> None:
    """Only cycles keep a node from being reached; those on a cycle were named with it."""
    starts = [node for node, edges in linked.ins.items() if not edges]
    if linked.nodes and not starts:
        findings.refuse("CMP011", "/nodes", "every node has an edge that leads to it, so a run could begin nowhere.")
    entered = _behind(linked, starts)
    on_cycles = _on_cycles(linked, forwards)
    for node in linked.nodes:
        if node not in entered and node not in on_cycles:
            told = f"`{node}` is never reached: every way to it comes out of a cycle that nothing leads into."
            findings.refuse("CMP010", linked.places.nodes[node], told)


def _behind(graph: Graph, starts: list[NodeId]) -> set[NodeId]:
    return reached(starts, lambda node: (edge.target for edge in graph.out[node]))


def _on_cycles(linked: Graph, forwards: Graph) -> set[NodeId]:
    """The nodes between the ends of each edge that leads back."""
    kept = {edge.id for edge in forwards.edges}
    found: set[NodeId] = set()
    for edge in linked.edges:
        if edge.id not in kept:
            behind = _behind(forwards, [edge.target])
            found |= {node for node in behind if edge.source in _behind(forwards, [node])}
    return found
