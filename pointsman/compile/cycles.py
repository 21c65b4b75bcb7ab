"""Cycles: going back is what `loop` is for (SEMANTICS §4); every edge leads forwards."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.base.ids import EdgeId, NodeId
from pointsman.base.reaching import reached
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.plan import Edge


def cut_returns(graph: Graph, findings: Findings) -> Graph:
    """The graph without edges by which a loop leads back into its own body; each of them is a problem."""
    return graph.without(list(_into_own_body(graph, findings)))


def cut_cycles(graph: Graph, findings: Findings) -> Graph:
    """The graph without the edges that close a cycle; each of them is a problem."""
    return graph.without(list(_closing_a_cycle(graph, findings)))


def leading_to(graph: Graph, node: NodeId, entry: NodeId) -> set[NodeId]:
    """The nodes from which `node` is reached without passing `entry`, these two included where that is so."""
    return reached([node], lambda found: [edge.source for edge in graph.ins[found]] if found != entry else ())


def _into_own_body(graph: Graph, findings: Findings) -> Iterator[EdgeId]:
    for node, loop in graph.loops.items():
        entry = NodeId(loop.loop_back_to)
        body = leading_to(graph, node, entry)
        for edge in graph.out[node] if entry in body else ():
            if edge.target in body:
                _refuse_return(edge, entry, graph.places.edges[edge.id], findings)
                yield edge.id


def _refuse_return(edge: Edge, entry: NodeId, pointer: str, findings: Findings) -> None:
    if edge.target == entry and pointer.startswith("/edges/"):
        told = f"that `{edge.source}` leads back to `{entry}` is what `loop_back_to` says already. Remove this edge."
        findings.refuse("CMP021", pointer, told)
        return
    told = (
        f"`{edge.target}` is in the body of the loop that `{edge.source}` closes. What follows a loop is outside of "
        f"it; back into it leads only `loop_back_to`."
    )
    findings.refuse("CMP022", pointer, told)


def _closing_a_cycle(graph: Graph, findings: Findings) -> Iterator[EdgeId]:
    """Walk in depth; an edge to a node that the walk is still inside of closes a cycle."""
    done: set[NodeId] = set()
    for start in graph.nodes:
        if start in done:
            continue
        path, on_path, open_edges = [start], {start}, [iter(graph.out[start])]
        while path:
            edge = next(open_edges[-1], None)
            if edge is None:
                open_edges.pop()
                on_path.discard(path[-1])
                done.add(path.pop())
            elif edge.target in on_path:
                _refuse_cycle([*path[path.index(edge.target) :], edge.target], graph.places.edges[edge.id], findings)
                yield edge.id
            elif edge.target not in done:
                path.append(edge.target)
                on_path.add(edge.target)
                open_edges.append(iter(graph.out[edge.target]))


def _refuse_cycle(path: list[NodeId], pointer: str, findings: Findings) -> None:
    shown = [f"`{node}`" for node in path]
    if len(shown) > 12:
        shown[6:-5] = ["…"]
    told = (
        f"{' -> '.join(shown)} is a cycle, and no loop: a run would never leave it. To go round on purpose, give "
        f"`{path[-2]}` a `loop` with `loop_back_to: {path[-1]}` in place of this edge."
    )
    findings.refuse("CMP009", pointer, told)
