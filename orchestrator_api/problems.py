"""Errors as HTTP answers: problems as of RFC 9457, each with its code and everything that is wrong, located."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from starlette.responses import Response

from pointsman.base.codes import CODES
from pointsman.base.errors import (
    EditRefused,
    ExpressionError,
    InvalidDefinition,
    PointsmanError,
    Problem,
    RequestRefused,
    RunError,
    ServerUnavailable,
)

MEDIA: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
INTERNAL: Final = "API090"


class LocatedProblem(msgspec.Struct, frozen=True):
    """One thing wrong with what was sent, and where: `pointer` is an RFC 6901 pointer into the body."""

    code: str
    pointer: str
    message: str
    line: int | None
    suggestion: str | None


class ProblemDetails(msgspec.Struct, frozen=True):
    """An error. `code` never changes its meaning; `type` is the address of its page."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[LocatedProblem, ...]


def problem(
    code: str,
    detail: str,
    problems: Iterable[Problem] = (),
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for an error code; its page says the status where the caller does not."""
    page = CODES[code]
    status = status or page.http or 500
    errors = tuple(located(found) for found in problems)
    body = ProblemDetails(f"/api/v1/errors/{code}", page.title, status, detail, code, errors)
    told = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else {}
    return Response(msgspec.json.encode(body), status, {**told, **(headers or {})}, MEDIA)


def problem_of(error: PointsmanError) -> Response:
    """The answer for one of our errors."""
    return problem(error.code, error.message, error.problems, status=CODES[error.code].http or _status(error))


def located(found: Problem) -> LocatedProblem:
    """A problem as it stands in an answer."""
    return LocatedProblem(found.code, found.pointer, found.message, found.line, found.suggestion)


def _status(error: PointsmanError) -> int:
    """For codes whose page names no status, since HTTP is not the only place they show up."""
    match error:
        case InvalidDefinition() | ExpressionError() | EditRefused():
            return 422
        case ServerUnavailable():
            return 503
        case RunError():
            return 409
        case RequestRefused():
            return 400
        case _:
            return 500
