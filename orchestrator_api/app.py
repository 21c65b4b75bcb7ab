"""The application: every resource, the doors before them, and every error as a problem."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api import (
    commands,
    dead_letters,
    edit_tokens,
    edits,
    events,
    fleet,
    forks,
    health,
    patches,
    promote,
    redrive,
    runs,
    schema,
    tags,
    task_types,
    workflows,
)
from orchestrator_api.access import Access
from orchestrator_api.answers import component
from orchestrator_api.bodies import invalid
from orchestrator_api.deps import Services
from orchestrator_api.keys import Keys
from orchestrator_api.measuring import Measuring
from orchestrator_api.openapi import document
from orchestrator_api.problems import MEDIA, ProblemDetails, problem, problem_of
from orchestrator_api.shedding import Shedding
from pointsman.base.errors import PointsmanError

TITLE: Final = "Pointsman"
_PROBLEM: Final = {"content": {MEDIA: {"schema": component(ProblemDetails)}}}
_COMMON: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"description": "A problem, with its code and everything that is wrong.", **_PROBLEM},
    422: {"description": "The request is not what is asked for.", **_PROBLEM},
}


def create_app(services: Services, keys: Keys | None) -> FastAPI:
    """The API on services that somebody else opens and closes."""
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.edit_tokens = tokens = edit_tokens.EditTokens(services)
    written = (workflows, tags, runs, commands, forks, patches, edits, promote, fleet, edit_tokens)
    for module in (*written, dead_letters, redrive, task_types, events, schema, health):
        app.include_router(module.router, responses=_COMMON)
    app.add_exception_handler(PointsmanError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_middleware(Shedding, most=services.settings.api.max_requests)
    app.add_middleware(Access, keys=keys, host=services.settings.api.host, edit_tokens=tokens)
    app.add_middleware(Measuring, metrics=services.metrics)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, PointsmanError)
    return problem_of(error)


async def _invalid(_: Request, error: Exception) -> Response:
    """A parameter of the path, the query or a header that is not as asked for."""
    assert isinstance(error, RequestValidationError)
    return problem_of(invalid(error.errors()))


async def _unrouted(request: Request, error: Exception) -> Response:
    """What no route takes."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    if error.status_code == 405:
        told = f"{path[:200]} does not take {method}; nothing was done."
        return problem("API002", told, headers=error.headers)
    return problem("API001", f"there is nothing at {path[:200]}; nothing was done. /openapi.json lists what there is.")
