"""Problems, gathered into the error that carries them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pointsman.base.errors import InvalidDefinition, Problem


def refused(*problems: Problem) -> InvalidDefinition:
    """The error of a definition with these problems, at least one, sorted by line. Its code is that of the first."""
    if len(problems) == 1:
        return InvalidDefinition(problems[0].code, _told(problems[0]), problems=problems)
    problems = tuple(sorted(problems, key=lambda problem: problem.line or 0))
    lines = [f"the definition has {len(problems)} problems:", *(f"  {problem}" for problem in problems)]
    return InvalidDefinition(problems[0].code, "\n".join(lines), problems=problems)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of, in backquotes, if any is close enough."""
    likeness = 0.6 if len(name) > 3 else 0.75
    return next((f"`{close}`" for close in difflib.get_close_matches(name, known, n=1, cutoff=likeness)), None)


def _told(problem: Problem) -> str:
    return str(problem).removeprefix(f"{problem.code} ")
