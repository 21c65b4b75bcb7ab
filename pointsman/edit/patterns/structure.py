"""What the compiler knows of a definition's graph without looking at its expressions."""

from __future__ import annotations

from pointsman.base.errors import Problem
from pointsman.compile.cycles import cut_cycles, cut_returns
from pointsman.compile.fields import check_fields
from pointsman.compile.findings import Findings
from pointsman.compile.graph import Graph
from pointsman.compile.joins import check_joins
from pointsman.compile.link import link
from pointsman.compile.references import Reach, check_context
from pointsman.compile.regions import enclose
from pointsman.compile.shape import check_shape
from pointsman.definition import Document, Positions, parse_document
from pointsman.plan import Region


def graph_of(document: Document) -> tuple[Graph, tuple[Region, ...]]:
    """The graph of a definition that compiles, and its loops.

    Raises:
        InvalidDefinition: Its form is not right.
    """
    findings = Findings(document, Positions())
    graph = link(parse_document(document).definition, findings)
    return graph, enclose(graph, findings)


def problems_of(document: Document) -> list[Problem]:
    """Everything the compiler would refuse about a definition's graph.

    Raises:
        InvalidDefinition: Its form is not right.
    """
    definition, findings = parse_document(document).definition, Findings(document, Positions())
    linked = cut_returns(link(definition, findings), findings)
    graph = cut_cycles(linked, findings)
    check_shape(definition, linked, graph, findings)
    check_fields(graph, findings)
    check_joins(graph, findings)
    regions = enclose(graph, findings)
    check_context(graph, Reach(graph, regions), findings)
    return findings.problems
