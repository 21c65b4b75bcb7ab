"""Which nodes have surely completed before another: proved, against trying out every way a run can go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings

from pointsman.compile.certainty import Certainty
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.compile.link import link
from pointsman.definition import Positions, parse_document
from pointsman.plan import Edge
from tests.compile.compiling import ENGINE, problems_of
from tests.support.definitions import definitions


def graph_of(document: dict[str, Any]) -> Graph:
    return link(parse_document(document).definition, Findings(document, Positions()))


def chain(*edges: str, **joins: object) -> Graph:
    """A graph of edges `a->b`, `a->b?` with a condition of its own, `a->b!` on error."""
    names = dict.fromkeys(name.rstrip("?!") for edge in edges for name in edge.split("->"))
    nodes = [{"id": name, "type": "f"} | ({"join": joins[name]} if name in joins else {}) for name in names]
    written = []
    for place, edge in enumerate(edges):
        source, target = edge.rstrip("?!").split("->")
        way: dict[str, Any] = {"from": source, "to": target, "id": f"e{place}"}
        written.append(way | {"?": {"when": f"output.x > {place}"}, "!": {"on": "error"}}.get(edge[-1], {}))
    return graph_of({"nodes": nodes, "edges": written})


@pytest.mark.parametrize(
    ("graph", "node", "reader", "sure"),
    [
        (chain("a->b", "b->c"), "a", "c", True),
        (chain("a->b", "a->c", "b->d", "c->d"), "b", "d", True),
        (chain("a->b", "a->c", "b->d", "c->d", d="any"), "b", "d", False),
        (chain("a->b", "a->c", "b->d", "c->d", d=2), "b", "d", True),
        (chain("a->b?", "a->c", "b->d", "c->d"), "b", "d", False),
        (chain("a->b?", "a->c", "b->d", "c->d"), "a", "d", True),
        (chain("a->b?", "a->c", "b->d", "c->d", "d->e"), "d", "e", True),
        (chain("a->b?", "a->c?", "a->d", "b->e", "c->e", "d->e", "a->f", "e->g", "f->g"), "e", "g", True),
        (chain("a->b", "a->c!", "b->d", "c->d"), "a", "d", False),
        (chain("a->b", "a->c!", "b->d", "c->d"), "b", "d", False),
        (chain("a->b", "x->y", "b->c", "y->c"), "a", "c", True),
    ],
)
def test_what_workflows_look_like_is_answered_exactly(graph: Graph, node: Any, reader: Any, sure: bool) -> None:
    assert Certainty(graph).is_sure(node, reader) is sure


@settings(max_examples=150, deadline=None)
@given(definitions(ENGINE, nodes=6, depth=0, failures=True))
def test_what_is_called_sure_holds_in_every_run(document: dict[str, Any]) -> None:
    # Given every way in which the nodes of a small definition can end
    graph = graph_of(document)
    certainty = Certainty(graph)
    runs = list(every_run(graph))
    for node, reader in combinations(graph.order, 2):
        # When one node is said to have completed whenever another begins, then in no run is it otherwise
        if certainty.is_sure(node, reader):
            assert not any(begins(graph, reader, live, never=node) for live in runs)
            assert all(node in completed(graph, live) for live in runs if begins(graph, reader, live))


@settings(max_examples=150, deadline=None)
@given(definitions(ENGINE, nodes=7, depth=0, failures=True))
def test_a_join_is_called_impossible_only_where_no_run_fires_it(document: dict[str, Any]) -> None:
    # Given a definition in which every join counts on all of its in-edges
    for node in document["nodes"]:
        into = sum(edge["to"] == node["id"] for edge in document["edges"])
        if into > 1:
            node["join"] = into
    refused = {int(problem.split("/")[2]) for problem in problems_of(document) if problem.startswith("CMP024")}
    # When some are refused, then no run has so many live edges
    graph = graph_of(document)
    runs = list(every_run(graph))
    for place in refused:
        node = document["nodes"][place]["id"]
        wanted = document["nodes"][place]["join"]
        assert all(len(live_ins(graph, node, live, begun(graph, live))) < wanted for live in runs)


Live = Mapping[str, frozenset[str]]
"""For each node, the edges that are live if it ends."""


def every_run(graph: Graph) -> Iterator[Live]:
    """Every combination of endings: conditions are free, and what fails is taken by an edge."""
    names = list(graph.nodes)
    for ways in product(*(list(ways_to_end(graph, name)) for name in names)):
        yield dict(zip(names, ways, strict=True))


def ways_to_end(graph: Graph, name: Any) -> Iterator[frozenset[str]]:
    out, route = graph.out[name], graph.nodes[name].route
    yield from chosen([edge for edge in out if edge.on == "success"], route)
    for on in ("error", "timeout"):
        yield from (way for way in chosen([edge for edge in out if edge.on == on], route) if way)


def chosen(edges: list[Edge], route: str) -> Iterator[frozenset[str]]:
    """By truth tables over the conditions, in the words of SEMANTICS §3.1."""
    conditions = sorted({edge.when for edge in edges if edge.when is not None})
    for truth in product((True, False), repeat=len(conditions)):
        true = {when for when, holds in zip(conditions, truth, strict=True) if holds}
        first = next((edge.when for edge in edges if edge.when in true), None)
        taken = true | {None} if route == "all" else {first}
        yield frozenset(edge.id for edge in edges if edge.when in taken)


def begun(graph: Graph, live: Live, never: str | None = None) -> set[str]:
    """The nodes that begin; what `never` ends leads on to keeps waiting."""
    found: set[str] = set()
    for node in graph.order:
        ins = graph.ins[node]
        waits = [edge for edge in ins if edge.source in unresolved(graph, found, never)]
        join = graph.nodes[node].join
        needed = (join.count if join.mode == "n" else 1) if join is not None and join.mode != "all" else None
        fired = len([edge for edge in live_ins(graph, node, live, found) if edge not in waits])
        if not ins or (fired >= needed if needed is not None else fired and not waits):
            found.add(node)
    return found


def unresolved(graph: Graph, found: set[str], never: str | None) -> set[str]:
    """What has not ended while `never` has not: itself, and whatever waits for it."""
    waiting: set[str] = set() if never is None else {never}
    for node in graph.order:
        if node not in found and never is not None and any(edge.source in waiting for edge in graph.ins[node]):
            waiting.add(node)
    return waiting


def live_ins(graph: Graph, node: Any, live: Live, found: set[str]) -> list[Edge]:
    return [edge for edge in graph.ins[node] if edge.source in found and edge.id in live[edge.source]]


def begins(graph: Graph, node: str, live: Live, never: str | None = None) -> bool:
    return node in begun(graph, live, never)


def completed(graph: Graph, live: Live) -> set[str]:
    """The nodes that begin and end well: by the endings given, those whose live edges are not for failures."""
    failed = {edge.source for edge in graph.edges if edge.on != "success" and edge.id in live[edge.source]}
    return begun(graph, live) - failed
