"""Warnings: what compiles, and hardly means what its author thinks."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pointsman.base.ids import NodeId
from pointsman.compile.certainty import Certainty
from pointsman.compile.endings import candidates, may_choose_none
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.compile.references import Reach, Reading, path_of
from pointsman.plan import Edge


def warn(graph: Graph, read: Iterable[Reading], reach: Reach, findings: Findings) -> None:
    """Look at a definition that has no problems."""
    for node in graph.nodes:
        _warn_of_branches(graph, node, findings)
        if graph.edges and not graph.ins[node] and not graph.out[node]:
            told = f"no edge leads to `{node}` or away from it: it starts with the run, and nothing waits for it."
            findings.warn("CMP106", graph.places.nodes[node], told)
    certainty = Certainty(graph)
    for reading in read:
        for node in sorted(reading.references.nodes):
            _warn_of_reading(node, reading, reach, certainty, findings)


def _warn_of_branches(graph: Graph, node: NodeId, findings: Findings) -> None:
    form = graph.nodes[node]
    tried = candidates(form, graph.out[node])
    for edges in tried:
        if edges and may_choose_none(edges):
            told = (
                f"if no condition on the edges out of `{node}` is true, nothing behind them is executed. Add an edge "
                f"without a condition, if something should be."
            )
            findings.warn("CMP102", graph.places.edges[edges[0].id], told)
        if form.route == "first":
            _warn_of_shadowed(edges, graph, findings)
    if form.loop is not None and tried[1] and not tried[0]:
        told = f"the loop that `{node}` closes has a way out for when its passes are used up, and none for `break`."
        findings.warn("CMP107", f"{graph.places.nodes[node]}/loop", told)


def _warn_of_shadowed(edges: list[Edge], graph: Graph, findings: Findings) -> None:
    """Edges behind one whose condition is `true`."""
    always = next((place for place, edge in enumerate(edges) if edge.when == "true"), None)
    for place, edge in enumerate(edges):
        if always is not None and edge.when != "true" and (edge.when is None or place > always):
            told = (
                f"this edge is never taken: the condition of `{edges[always].id}` is always true, and is tried first."
            )
            findings.warn("CMP103", graph.places.edges[edge.id], told)


def _warn_of_reading(node: NodeId, reading: Reading, reach: Reach, certainty: Certainty, findings: Findings) -> None:
    missing = _missing(node, reading, reach, certainty)
    if missing and not _is_guarded(node, reading.text):
        path = path_of(node)
        advice = f" Ask `has({path})` first." if node.isidentifier() else ""
        told = f"`{path}` is not there {missing}, and reading it then fails.{advice}"
        findings.warn("CMP101", reading.pointer, told)


def _missing(node: NodeId, reading: Reading, reach: Reach, certainty: Certainty) -> str | None:
    """When the output of `node` is not there, if ever."""
    reader = reading.node
    if reader is None:
        return None if certainty.is_sure_at_the_end(node) else "at the end of some runs"
    if node == reader and reading.moment == "ends":
        return "where the node failed" if reading.is_after_failure else None
    if not reach.is_before(node, reader):
        return None if "loop" in reading.references.variables else "in the first pass"
    return None if certainty.is_sure(node, reader) else "on some path"


def _is_guarded(node: NodeId, text: str) -> bool:
    """Whether the expression asks if the node's output is there."""
    return re.search(rf"\bhas\(\s*{re.escape(path_of(node))}\s*\)", text) is not None
