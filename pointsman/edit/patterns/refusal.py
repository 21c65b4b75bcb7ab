"""Why a pattern cannot be applied."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.base.errors import EditRefused, Problem


def refusal(problems: Iterable[Problem]) -> EditRefused:
    """The error of a request with these problems, at least one. Their pointers lead into the request."""
    found = tuple(problems)
    told = " ".join(_told(problem) for problem in found[:3])
    more = f" And {len(found) - 3} more." if len(found) > 3 else ""
    return EditRefused(found[0].code, f"{told}{more} The pattern was not applied; nothing changed.", problems=found)


def refused(code: str, pointer: str, told: str, suggestion: str | None = None) -> EditRefused:
    """The error of a request with one problem."""
    return refusal([Problem(code, pointer, told, suggestion=suggestion)])


def _told(problem: Problem) -> str:
    return problem.message + (f" Did you mean {problem.suggestion}?" if problem.suggestion else "")


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names as they stand in a message, each once."""
    return between.join(f"`{name}`" for name in dict.fromkeys(names))
