"""One definition in, one plan out, or every problem there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.base.errors import Problem
from pointsman.compile.assemble import assemble
from pointsman.compile.cycles import cut_cycles, cut_returns
from pointsman.compile.doubts import warn
from pointsman.compile.fields import check_fields, check_names
from pointsman.compile.findings import Findings
from pointsman.compile.joins import check_joins
from pointsman.compile.known import Known
from pointsman.compile.link import link
from pointsman.compile.references import Reach, check_context, check_reading, readings
from pointsman.compile.regions import enclose
from pointsman.compile.shape import check_shape
from pointsman.definition import (
    Definition,
    Media,
    Parsed,
    Positions,
    checked,
    read,
    refused,
    salvage,
)
from pointsman.expr import Engine
from pointsman.plan import Plan


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, and what the compiler would have its author look at."""

    plan: Plan
    warnings: tuple[Problem, ...]


def compile_definition(definition: Parsed | Definition, engine: Engine, *, name: str | None = None) -> Compiled:
    """Compile a definition whose form is right.

    Args:
        definition: With its lines, if it was parsed from text.
        engine: The CEL engine that checks its expressions.
        name: The name it is stored under; counts before its own.

    Raises:
        InvalidDefinition: With every problem found.
    """
    parsed = definition if isinstance(definition, Parsed) else Parsed({}, definition, Positions())
    return _compile(parsed, (), engine, name, Known(engine))


def compile_source(
    source: str | bytes | dict[str, Any],
    engine: Engine,
    *,
    media: Media = "auto",
    name: str | None = None,
    known: Known | None = None,
) -> tuple[Parsed, Compiled]:
    """Read and compile a definition, so that problems of its form and of its meaning are told together.

    Args:
        source: Text, or a document that was read elsewhere.
        engine: As for `compile_definition`.
        media: What the text is.
        name: As for `compile_definition`.
        known: What the same engine's compiling of other definitions has found out, for this one and those to come.

    Raises:
        InvalidDefinition: With every problem found.
    """
    taken = read(source, media) if isinstance(source, (str, bytes)) else checked(source, Positions())
    known = known or Known(engine)
    parsed, problems = salvage(taken, known.forms)
    if parsed is None:
        raise refused(*problems)
    return parsed, _compile(parsed, problems, engine, name, known)


def _compile(parsed: Parsed, problems: tuple[Problem, ...], engine: Engine, name: str | None, known: Known) -> Compiled:
    definition, findings = parsed.definition, Findings(parsed.document, parsed.positions)
    linked = cut_returns(link(definition, findings), findings)
    graph = cut_cycles(linked, findings)
    check_shape(definition, linked, graph, findings)
    check_names(definition, findings)
    check_fields(graph, findings)
    check_joins(graph, findings)
    regions = enclose(graph, findings)
    reach = Reach(graph, regions)
    check_context(graph, reach, findings)
    read_by = readings(graph, definition, engine, findings, known.strings)
    for reading in read_by:
        check_reading(reading, graph, reach, findings)
    if problems or findings.problems:
        raise refused(*problems, *findings.problems)
    warn(graph, read_by, reach, findings)
    warnings = sorted(findings.warnings, key=lambda warning: warning.line or 0)
    return Compiled(assemble(definition, graph, regions, name, known.node), tuple(warnings))
