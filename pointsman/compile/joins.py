"""Joins that can never fire: they wait for more live edges than one run can bring (SEMANTICS §3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.base.ids import NodeId
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.plan import Edge

Choices = Mapping[NodeId, frozenset[int]]
"""For nodes that decide whether an edge is live: in which of their endings it may be."""


def check_joins(graph: Graph, findings: Findings) -> None:
    """Check each join that counts. `all` and `any` can always fire: dead edges do not stop them."""
    choices = _ChoicesOf(graph)
    for node, form in graph.nodes.items():
        wanted = form.join.count if form.join is not None and form.join.mode == "n" else None
        if wanted is None:
            continue
        ins = graph.ins[node]
        groups = _exclusive_groups(ins, choices)
        if wanted > len(ins):
            told = f"`{node}` waits for {wanted} live edges, and the number of its in-edges is {len(ins)}."
            findings.refuse("CMP024", f"{graph.places.nodes[node]}/join", told)
        elif wanted > len(groups):
            told = (
                f"`{node}` waits for {wanted} live edges, and no run has more than {len(groups)}: "
                f"{_excluding(groups)} exclude each other."
            )
            findings.refuse("CMP024", f"{graph.places.nodes[node]}/join", told)


class _ChoicesOf:
    """What each edge's being live says about how earlier nodes ended; worked out when asked."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._of_nodes: dict[NodeId, Choices] = {}

    def edge(self, edge: Edge) -> Choices:
        """The choices behind an edge."""
        if not self._of_nodes:
            for node in self._graph.order:
                self._of_nodes[node] = self._common(self._graph.ins[node])
        return self._behind(edge)

    def _behind(self, edge: Edge) -> Choices:
        endings = self._graph.endings(edge.source)
        before = self._of_nodes[edge.source]
        mine = frozenset(index for index, ending in enumerate(endings) if edge.id in ending.possible)
        return before if len(mine) == len(endings) else {**before, edge.source: mine}

    def _common(self, edges: list[Edge]) -> Choices:
        """What holds whichever of `edges` is live."""
        first, *others = [self._behind(edge) for edge in edges] or [{}]
        if not others:
            return first
        shared = (node for node in first if all(node in other for other in others))
        return {node: first[node].union(*(other[node] for other in others)) for node in shared}


def _exclusive_groups(edges: list[Edge], choices: _ChoicesOf) -> list[list[Edge]]:
    """Edges in groups of which at most one edge each can be live; so many can be live at most."""
    groups: list[list[Edge]] = []
    for edge in edges:
        mine = choices.edge(edge)
        for group in groups:
            if all(_exclude(mine, choices.edge(other)) for other in group):
                group.append(edge)
                break
        else:
            groups.append([edge])
    return groups


def _exclude(one: Choices, other: Choices) -> bool:
    return any(one[node].isdisjoint(other[node]) for node in one.keys() & other.keys())


def _excluding(groups: list[list[Edge]]) -> str:
    shown = [" and ".join(f"`{edge.id}`" for edge in group) for group in groups if len(group) > 1]
    return ", ".join(shown)
