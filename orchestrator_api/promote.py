"""Promotion: the definition of one run, as edits have made it, becomes a version of its workflow."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, etag, gives, takes
from orchestrator_api.bodies import Form, parsed_form, read_optional, refusal
from orchestrator_api.compiling import Made
from orchestrator_api.deps import Api, Services, WorkflowVersion
from orchestrator_api.idempotency import once
from orchestrator_api.paths import RunPath
from orchestrator_api.problems import LocatedProblem, located
from orchestrator_api.reading import current
from orchestrator_api.workflows import published_name, says_the_same
from pointsman.base.errors import Problem
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.ports.run_index import RunRow

router = APIRouter(prefix="/api/v1/runs", tags=["promotion"])


class PromoteForm(Form):
    """What may be said of the new version."""

    description: str = Field(default="", max_length=1_000, description="What is new; kept with the version.")
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The workflow's name, for a run whose definition came with its start; its own unless given.",
    )


class PromotedWorkflow(msgspec.Struct, frozen=True):
    """The version that is the definition of a run."""

    name: str
    version: int
    plan: Digest
    created_at: Millis
    created_by: str
    description: str
    """What was said when the version was made."""
    run_id: RunId
    revision: int
    """The revision of the run that was promoted."""
    warnings: tuple[LocatedProblem, ...]
    """What the compiler would have its authors look at."""


class _Promotion(NamedTuple):
    """A run's definition at one revision, ready to be published."""

    run_id: RunId
    revision: int
    name: str
    made: Made


@router.post(
    "/{run_id}/promote",
    status_code=201,
    summary="Make a run's definition a version of its workflow",
    responses={
        200: gives(PromotedWorkflow, "There is a version that is this very definition; nothing was changed."),
        201: gives(PromotedWorkflow, "A new version, the newest."),
    },
    openapi_extra=takes(PromoteForm, {"with a word": {"description": "Tell the customer, too"}}, required=False),
)
async def promote(run_id: RunPath, request: Request, services: Api) -> Response:
    """Publish the definition that a run has at its current revision, be the run open or final."""
    body = await read_optional(request)
    form = parsed_form(PromoteForm, body)
    return await once(services, request, body, lambda: _promote(services, run_id, form, request.state.caller))


async def _promote(services: Services, run_id: RunId, form: PromoteForm, by: str) -> Response:
    promotion = await _promotion(services, run_id, form)
    documents, made = services.records.documents, promotion.made
    plan = await documents.put_plan(made.encoded)
    there = await _there(services, promotion, plan)
    if there is not None:
        return _told(there, promotion, is_new=False)
    definition = await documents.put_definition(made.definition)
    found, is_new = await services.records.workflows.promote(
        promotion.name, definition, plan, by, form.description, run_id, promotion.revision
    )
    return _told(found, promotion, is_new)


async def _promotion(services: Services, run_id: RunId, form: PromoteForm) -> _Promotion:
    row, run = await current(services, run_id)
    stored = await services.records.documents.definition(run.head.definition)
    assert stored is not None, "what a run points at is stored"
    made = await services.compiler.compile(_named(stored, _wanted_name(row, form)))
    return _Promotion(run_id, run.head.revision, published_name(made), made)


def _wanted_name(row: RunRow, form: PromoteForm) -> str | None:
    """The name that the definition is to have; None: its own."""
    if row.version is None:
        return form.name
    if form.name not in (None, row.workflow):
        told = f"run {row.run_id} is one of the workflow `{row.workflow}`, and becomes a version of that: leave it out."
        raise refusal(Problem("API006", "/name", told))
    return row.workflow


def _named(stored: bytes, name: str | None) -> bytes:
    document = json.loads(stored)
    if name is None or document.get("name") == name:
        return stored
    return json.dumps({"name": name, **document} | {"name": name}, ensure_ascii=False).encode()


async def _there(services: Services, promotion: _Promotion, plan: Digest) -> WorkflowVersion | None:
    """The version that says the same, if there is one."""
    for version in await services.records.workflows.of_plan(promotion.name, plan):
        stored = await services.records.documents.definition(version.definition)
        if stored is not None and says_the_same(stored, promotion.made.definition):
            return version
    return None


def _told(found: WorkflowVersion, promotion: _Promotion, is_new: bool) -> Response:
    told = PromotedWorkflow(
        found.workflow,
        found.version,
        found.plan,
        found.created_at,
        found.created_by,
        found.description,
        promotion.run_id,
        promotion.revision,
        tuple(map(located, promotion.made.warnings)),
    )
    return answer(told, 201 if is_new else 200, etag(promotion.revision))
