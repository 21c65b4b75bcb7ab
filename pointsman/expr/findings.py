"""What is wrong with an expression, and the error that says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pointsman.base.errors import ExpressionError, Problem

SHOWN = 120
"""Characters of an expression that a message quotes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, and where: `position` counts characters from the start of the expression."""

    code: str
    position: int
    message: str
    suggestion: str | None = None


def quoted(source: str) -> str:
    """The expression as messages show it: on one line, cut where it is long."""
    line = " ".join(source.split())
    return f"`{line}`" if len(line) <= SHOWN else f"`{line[:SHOWN]}…`"


def refused(source: str, findings: Sequence[Finding]) -> ExpressionError:
    """The error for an expression that does not compile; every finding is one of its `problems`."""
    first, *others = sorted(findings, key=lambda finding: finding.position)
    more = f" ({len(others)} more)" if others else ""
    problems = tuple(_problem(source, finding) for finding in (first, *others))
    hint = f" Did you mean {first.suggestion}?" if first.suggestion else ""
    return ExpressionError(first.code, problems[0].message + hint + more, problems=problems)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, quoted, or None."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"`{found[0]}`" if found else None


def _problem(source: str, finding: Finding) -> Problem:
    where = _where(source, finding.position)
    return Problem(finding.code, "", f"{quoted(source)}, {where}: {finding.message}", None, finding.suggestion)


def _where(source: str, position: int) -> str:
    before = source[:position]
    column = position - (before.rfind("\n") + 1) + 1
    return f"line {before.count(chr(10)) + 1}, column {column}" if "\n" in source else f"column {column}"
