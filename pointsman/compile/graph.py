"""The nodes of a definition and the edges between them, as the compiler's stages see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pointsman.base.ids import EdgeId, NodeId
from pointsman.compile.endings import Ending, endings_of
from pointsman.definition import LoopForm, Node
from pointsman.plan import Edge, Region


@dataclass(frozen=True, slots=True)
class Places:
    """Where things stand in the document: pointers."""

    nodes: Mapping[NodeId, str]
    edges: Mapping[EdgeId, str]
    conditions: Mapping[EdgeId, str]


class Graph:
    """Nodes and edges in the order written. `nodes` is keyed by id; what the author got wrong is not in it."""

    def __init__(self, nodes: Mapping[NodeId, Node], edges: Iterable[Edge], places: Places) -> None:
        self.nodes = nodes
        self.edges = tuple(edges)
        self.places = places
        self._endings: dict[NodeId, tuple[Ending, ...]] = {}

    @cached_property
    def out(self) -> dict[NodeId, list[Edge]]:
        """The edges out of each node."""
        found: dict[NodeId, list[Edge]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            found[edge.source].append(edge)
        return found

    @cached_property
    def ins(self) -> dict[NodeId, list[Edge]]:
        """The edges into each node."""
        found: dict[NodeId, list[Edge]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            found[edge.target].append(edge)
        return found

    def without(self, edges: Iterable[EdgeId]) -> Graph:
        """The same graph, less some edges."""
        gone = frozenset(edges)
        if not gone:
            return self
        return Graph(self.nodes, (edge for edge in self.edges if edge.id not in gone), self.places)

    def endings(self, node: NodeId) -> tuple[Ending, ...]:
        """Every way the node can end, but for a failure that no edge takes."""
        if node not in self._endings:
            self._endings[node] = endings_of(self.nodes[node], self.out[node])
        return self._endings[node]

    @cached_property
    def loops(self) -> dict[NodeId, LoopForm]:
        """The nodes that close a loop back to a node there is."""
        loops = ((node, form.loop) for node, form in self.nodes.items())
        return {node: loop for node, loop in loops if loop is not None and loop.loop_back_to in self.nodes}

    @cached_property
    def order(self) -> tuple[NodeId, ...]:
        """The nodes so that every edge leads forwards; only for a graph without cycles."""
        missing = {node: len(edges) for node, edges in self.ins.items()}
        ready = [node for node, count in missing.items() if not count]
        for node in ready:
            for edge in self.out[node]:
                missing[edge.target] -= 1
                if not missing[edge.target]:
                    ready.append(edge.target)
        return tuple(ready)


def surrounding(regions: Iterable[Region]) -> dict[NodeId, tuple[NodeId, ...]]:
    """The regions each node is in, outer first; nodes in none are left out. `regions` stand outer before inner."""
    found: dict[NodeId, tuple[NodeId, ...]] = {}
    for region in regions:
        for node in region.nodes:
            found[node] = (*found.get(node, ()), region.id)
    return found
