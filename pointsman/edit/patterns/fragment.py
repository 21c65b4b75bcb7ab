"""Fragments: the new nodes of a request, with the edges between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.compile.link import link
from pointsman.definition import Positions, parse_document
from pointsman.edit.patterns.form import Bringing
from pointsman.edit.patterns.refusal import refusal
from pointsman.edit.patterns.rewrite import Rewrite


class Fragment(NamedTuple):
    """New nodes, the edges between them, and where they begin and end."""

    nodes: list[dict[str, Any]]
    edges: list[dict[str, Any]]
    graph: Graph

    @property
    def entries(self) -> list[str]:
        """The nodes that nothing leads to."""
        return [node for node in self.graph.nodes if not self.graph.ins[node]]

    @property
    def exits(self) -> list[str]:
        """The nodes that lead nowhere when they ended well."""
        out = self.graph.out
        return [
            node
            for node in self.graph.nodes
            if not any(edge.on == "success" and edge.leave != "timeout" for edge in out[node])
        ]

    def with_fields(self, nodes: list[str], fields: Mapping[str, Any]) -> Fragment:
        """The same, with these fields for some of its nodes where they do not say otherwise."""
        given = {field: value for field, value in fields.items() if value is not None}
        return self._replace(nodes=[{**node, **(given | node)} if node["id"] in nodes else node for node in self.nodes])

    def add(self, work: Rewrite) -> None:
        """Add its nodes and edges to a definition, connected to nothing."""
        work.add_nodes(self.nodes, self.edges, self.graph)


def fragment_of(work: Rewrite, bringing: Bringing, replaced: str | None = None) -> Fragment:
    """The fragment of a request.

    Args:
        work: The definition that it will be part of.
        bringing: The request.
        replaced: A node whose id is free for it.

    Raises:
        EditRefused: EDT045, something is wrong with it by itself, or an id is taken.
    """
    if bringing.fragment is not None:
        return checked(work, bringing.fragment.nodes, bringing.fragment.edges, "/fragment", replaced)
    assert bringing.node is not None
    return checked(work, [bringing.node], [], "", replaced)


def checked(
    work: Rewrite, nodes: list[dict[str, Any]], edges: list[dict[str, Any]], place: str, replaced: str | None = None
) -> Fragment:
    """A fragment of these nodes and edges, which stand at `place` in the request. Raises as `fragment_of` does."""
    document = {"nodes": nodes, "edges": edges}
    findings = Findings(document, Positions())
    try:
        graph = link(parse_document(document).definition, findings)
    except InvalidDefinition as wrong:
        raise refusal(_placed(found, place) for found in wrong.problems) from None
    known = set(work.nodes) - {replaced}
    problems = [_placed(found, place) for found in findings.problems]
    for index, node in enumerate(nodes):
        if node["id"] in known:
            told = f"`{node['id']}` is the id of a node that is there already. Give the new one another."
            problems.append(_placed(Problem("EDT045", f"/nodes/{index}/id", told), place))
    fragment = Fragment(nodes, edges, graph)
    if not problems and not (fragment.entries and fragment.exits):
        problems = [Problem("EDT045", place or "/node", "these nodes lead round in a circle, and to nothing else.")]
    if problems:
        raise refusal(problems)
    return fragment


def _placed(problem: Problem, place: str) -> Problem:
    """A problem of a fragment, located in the request."""
    pointer = problem.pointer if place else problem.pointer.replace("/nodes/0", "/node", 1)
    return replace(problem, code="EDT045", pointer=f"{place}{pointer}", message=_coded(problem))


def _coded(problem: Problem) -> str:
    return problem.message if problem.code == "EDT045" else f"{problem.code} {problem.message}"
