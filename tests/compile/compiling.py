"""What the compiler makes of a text, in a form that tests can compare whole."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.base.ids import NodeId
from pointsman.compile import compile_source
from pointsman.expr import engine
from pointsman.plan import Plan, Region

ENGINE = engine()


def plan_of(source: str | dict[str, Any]) -> Plan:
    """The plan of a definition."""
    return compile_source(_dedented(source), ENGINE)[1].plan


def warnings_of(source: str | dict[str, Any]) -> list[str]:
    """The warnings of a definition that compiles."""
    return _told(compile_source(_dedented(source), ENGINE)[1].warnings)


def problems_of(source: str | dict[str, Any]) -> list[str]:
    """The problems of a definition; none where it compiles."""
    try:
        compile_source(_dedented(source), ENGINE)
    except InvalidDefinition as wrong:
        return _told(wrong.problems)
    return []


def edges_of(source: str | dict[str, Any]) -> list[str]:
    """The edges of a plan, each as `id: source -> target` and what else it says."""
    return [
        " ".join(
            [f"{edge.id}:", edge.source, "->", edge.target]
            + ([f"when {edge.when}"] if edge.when else [])
            + ([f"on {edge.on}"] if edge.on != "success" else [])
            + ([f"leave {edge.leave}"] if edge.leave else [])
        )
        for edge in plan_of(source).edges
    ]


def region(name: str, entry: str, nodes: str, parent: str | None = None) -> Region:
    """A region whose nodes are written in one string."""
    return Region(NodeId(name), NodeId(entry), tuple(map(NodeId, nodes.split())), NodeId(parent) if parent else None)


def _dedented(source: str | dict[str, Any]) -> str | dict[str, Any]:
    return dedent(source) if isinstance(source, str) else source


def _told(problems: tuple[Problem, ...]) -> list[str]:
    return [str(problem) for problem in problems]
