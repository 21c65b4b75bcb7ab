"""The part of a plan that is not the token's: what is behind a node in it, and what surely runs behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from pointsman.base.ids import EdgeId, NodeId
from pointsman.base.reaching import reached
from pointsman.plan import Edge, Plan


class Graph:
    """Nodes and the edges between them."""

    def __init__(self, plan: Plan, less_nodes: Collection[NodeId] = (), less_edges: Collection[EdgeId] = ()) -> None:
        self.nodes = {node.id: node for node in plan.nodes if node.id not in less_nodes}
        self.out: dict[NodeId, list[Edge]] = {node: [] for node in self.nodes}
        self.ins: dict[NodeId, list[Edge]] = {node: [] for node in self.nodes}
        for edge in plan.edges:
            if edge.id not in less_edges and edge.source in self.nodes and edge.target in self.nodes:
                self.out[edge.source].append(edge)
                self.ins[edge.target].append(edge)

    def edges(self) -> Iterator[Edge]:
        """Every edge, by the node it comes out of."""
        return (edge for out in self.out.values() for edge in out)

    def behind(self, node: NodeId) -> frozenset[NodeId]:
        """Every node that edges lead to from `node`; not itself."""
        return _beyond(node, lambda found: (edge.target for edge in self.out.get(found, ())))

    def before(self, node: NodeId, among: Collection[NodeId]) -> frozenset[NodeId]:
        """Every node from which edges lead to `node`; beyond those not in `among` it does not look."""

        def sources(found: NodeId) -> Iterator[NodeId]:
            if found == node or found in among:
                yield from (edge.source for edge in self.ins.get(found, ()))

        return _beyond(node, sources)

    def surely_behind(self, node: NodeId) -> frozenset[NodeId]:
        """The nodes that are never skipped for want of a live edge once the plain out-edges of `node` are live.

        They run, or what leads to them fails. Proved by structure alone, so the answer may be too small: joins that do
        not wait for all, loops, and nodes whose failure is handled count as unsure.
        """
        sure: set[NodeId] = set()
        waiting = [edge.target for edge in self.out.get(node, ()) if is_plain(edge)]
        while waiting:
            found = waiting.pop()
            if found in sure or self.nodes[found].join.mode != "all":
                continue
            sure.add(found)
            waiting += [edge.target for edge in self.out[found] if is_plain(edge)] if self._leads_on(found) else []
        return frozenset(sure)

    def _leads_on(self, node: NodeId) -> bool:
        """Whether the plain out-edges of a node are live whenever it has completed, and failed when it has not."""
        out = self.out[node]
        chooses = self.nodes[node].route == "first" and any(edge.when is not None for edge in out)
        return self.nodes[node].loop is None and not chooses and all(edge.on == "success" for edge in out)


def goes_on(edge: Edge) -> bool:
    """Whether an edge is for when its node has completed, its loop not exhausted where it closes one."""
    return edge.on == "success" and edge.leave != "timeout"


def is_plain(edge: Edge) -> bool:
    """Whether an edge says nothing but that one node follows the other."""
    return edge.when is None and goes_on(edge)


def _beyond(start: NodeId, steps: Callable[[NodeId], Iterable[NodeId]]) -> frozenset[NodeId]:
    return frozenset(reached(steps(start), steps))
