"""Whether a node has surely completed by the time another begins.

Asked of each `ctx.<node>` in an expression: where the answer is no, there is a path on which the expression raises.
It is found by assuming the contrary and following what that entails, edge by edge; conditions are taken to be free,
whatever they say. "Surely" is therefore proved; the other answer can be wrong where conditions exclude each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pointsman.base.ids import EdgeId, NodeId
from pointsman.compile.graph import Graph
from pointsman.plan import Edge


class Certainty:
    """Answers for one graph; what was worked out for a node is kept."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._not_yet: dict[NodeId, _NotYet] = {}
        self._contraries: dict[NodeId, tuple[_Contrary, ...]] = {}

    def is_sure(self, node: NodeId, reader: NodeId) -> bool:
        """Whether `node`, which stands before `reader`, has completed whenever `reader` begins."""
        if node not in self._not_yet:
            self._not_yet[node] = _NotYet(self._graph, node)
        return self._not_yet[node].stops(reader) and all(contrary.stops(reader) for contrary in self._known(node))

    def is_sure_at_the_end(self, node: NodeId) -> bool:
        """Whether `node` has completed in every run that has."""
        return all(contrary.stops(None) for contrary in self._known(node))

    def _known(self, node: NodeId) -> tuple[_Contrary, ...]:
        if node not in self._contraries:
            self._contraries[node] = tuple(self._assume(node))
        return self._contraries[node]

    def _assume(self, node: NodeId) -> Iterator[_Contrary]:
        yield _Skipped(self._graph, node)
        if any(edge.on != "success" for edge in self._graph.out[node]):
            yield _FailedAndHandled(self._graph, node)


class _Contrary:
    """An assumption, and the nodes that cannot begin under it, followed as far as somebody asked."""

    def __init__(self, graph: Graph, node: NodeId) -> None:
        self.graph = graph
        self.node = node
        self.stopped: set[NodeId] = set()
        self.is_impossible = False
        self._waiting: deque[NodeId] = deque()

    def stops(self, reader: NodeId | None) -> bool:
        """Whether `reader` cannot begin under this assumption, or the assumption cannot be; for None, only that."""
        while reader not in self.stopped and self._waiting and not self.is_impossible:
            self.follow(self._waiting.popleft())
        return reader in self.stopped or self.is_impossible

    def stop(self, node: NodeId) -> None:
        if node not in self.stopped:
            self.stopped.add(node)
            self._waiting.append(node)

    def follow(self, node: NodeId) -> None:
        """What it entails that `node` cannot begin."""

    def needed(self, node: NodeId) -> int | None:
        """How many live in-edges the node waits for; None: it waits until all have resolved."""
        join = self.graph.nodes[node].join
        if join is None or join.mode == "all":
            return None
        return join.count if join.mode == "n" and join.count is not None else 1


class _NotYet(_Contrary):
    """`node` has not ended, or failed with nobody to take it: what waits for it does not begin."""

    def __init__(self, graph: Graph, node: NodeId) -> None:
        super().__init__(graph, node)
        self.stop(node)

    def follow(self, node: NodeId) -> None:
        for edge in self.graph.out[node]:
            if self._waits(edge.target):
                self.stop(edge.target)

    def _waits(self, node: NodeId) -> bool:
        needed = self.needed(node)
        return needed is None or sum(edge.source not in self.stopped for edge in self.graph.ins[node]) < needed


class _Dead(_Contrary):
    """Follows edges known to be dead, forwards and backwards."""

    def __init__(self, graph: Graph, node: NodeId) -> None:
        super().__init__(graph, node)
        self._dead: set[EdgeId] = set()

    def stop(self, node: NodeId) -> None:
        if not self.graph.ins[node]:
            self.is_impossible = True  # a run begins with it: it is never skipped
        super().stop(node)

    def follow(self, node: NodeId) -> None:
        for edge in self.graph.out[node]:
            self.kill(edge)
        if len(self.graph.ins[node]) == 1 or self.needed(node) in (None, 1):
            for edge in self.graph.ins[node]:
                self.kill(edge)

    def kill(self, edge: Edge) -> None:
        if edge.id in self._dead:
            return
        self._bury(edge)
        if edge.source != self.node and edge.source not in self.stopped:
            self._narrow(edge.source)

    def _bury(self, edge: Edge) -> None:
        self._dead.add(edge.id)
        living = sum(other.id not in self._dead for other in self.graph.ins[edge.target])
        if living < (self.needed(edge.target) or 1):
            self.stop(edge.target)

    def _narrow(self, node: NodeId) -> None:
        """Leave out the ways to end that make a dead edge live, and with them the edges that only they make live."""
        endings = [ending for ending in self.graph.endings(node) if not ending.sure & self._dead]
        if not endings:
            self.stop(node)
            return
        possible = frozenset[EdgeId]().union(*(ending.possible for ending in endings))
        for edge in self.graph.out[node]:
            if edge.id not in possible and edge.id not in self._dead:
                self._bury(edge)


class _Skipped(_Dead):
    """`node` is skipped."""

    def __init__(self, graph: Graph, node: NodeId) -> None:
        super().__init__(graph, node)
        self.stop(node)


class _FailedAndHandled(_Dead):
    """`node` failed, and one of its `on:` edges took that."""

    def __init__(self, graph: Graph, node: NodeId) -> None:
        super().__init__(graph, node)
        for edge in graph.out[node]:
            if edge.on == "success":
                self.kill(edge)
