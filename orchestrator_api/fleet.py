"""Edits of fleets: one edit for every open run of a version, looked at first, then applied run by run."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, Form, parsed_form, read_body, read_optional, refusal
from orchestrator_api.deps import Api, FleetEdit, FleetItem, FleetStatus, ItemState, NewFleetEdit, Services
from orchestrator_api.edit_limits import EditLimits
from orchestrator_api.fleet_preview import FleetCounts, FleetPreview, preview
from orchestrator_api.idempotency import once
from orchestrator_api.ids import new_fleet_edit_id
from orchestrator_api.paths import FleetEditPath, Limit, WorkflowPath
from orchestrator_api.runs import no_such_workflow
from pointsman.base.errors import EditRefused, Problem, RequestRefused
from pointsman.base.ids import Millis, RunId
from pointsman.definition import apply_patch
from pointsman.edit import OnRunning

router = APIRouter(prefix="/api/v1/workflows", tags=["fleet edits"])

_FORM: Final = frozenset({"EDT001", "EDT002", "EDT003", "EDT004"})
"""What can be wrong with an operation whatever it is applied to."""


class FleetEditForm(Form):
    """One edit, and how carefully it is to go from run to run."""

    version: int = Field(ge=1, le=2**31 - 1, description="The version whose open runs it is for.")
    operations: list[dict[str, Any]] = Field(
        min_length=1,
        description="RFC 6902 on each run's own definition. `/nodes/<id>` and `/edges/<id>` work as well as indexes.",
    )
    description: str = Field(default="", max_length=1_000, description="What it is for; kept in each run's history.")
    dry_run: bool = Field(default=False, description="Say what would become of it, and change nothing.")
    canary_percent: float = Field(
        default=100, gt=0, le=100, description="How many of the runs get it before it waits to be resumed."
    )
    rate_per_s: float = Field(default=10, ge=0.1, le=1_000, description="How many runs get it in a second, at most.")
    stop_on_error_share: float = Field(
        default=0.1, ge=0, le=1, description="It stops when more than this share of the runs have not taken it."
    )
    on_running: OnRunning = Field(
        default="refuse", description="What becomes of tasks that are out and that the edit changes or removes."
    )


class ResumeForm(Form):
    """How to go on."""

    stop_on_error_share: float | None = Field(
        default=None, ge=0, le=1, description="In place of the share it was begun with."
    )


class FleetRun(msgspec.Struct, frozen=True):
    """One run, and what became of the edit there."""

    run_id: RunId
    state: ItemState
    revision: int | None
    """Of the run with the edit."""
    code: str | None
    message: str | None
    decided_at: Millis | None


class FleetEditView(msgspec.Struct, frozen=True):
    """An edit of all open runs of a version, and how far it is."""

    id: str
    workflow: str
    version: int
    status: FleetStatus
    """waiting: the canary is done; stopped: too many errors. Both go on when they are resumed."""
    runs: int
    """How many it is for: those that were open when it was asked for."""
    reach: int
    """How many of them it may go to at the moment: those of the canary, or all."""
    counts: FleetCounts
    operations: msgspec.Raw
    description: str
    by: str
    on_running: OnRunning
    rate_per_s: float
    stop_on_error_share: float
    created_at: Millis


class FleetEditPage(msgspec.Struct, frozen=True):
    """An edit of a fleet, and some of its runs in the order in which they get it."""

    edit: FleetEditView
    items: tuple[FleetRun, ...]
    next: str | None
    """The cursor of the next page; null on the last one."""


_ADD: Final = {
    "version": 3,
    "operations": [
        {"op": "add", "path": "/nodes/-", "value": {"id": "notify", "type": "function"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "classify", "to": "notify"}},
    ],
    "description": "Tell the customer",
}
_TOLD: Final = gives(FleetEditView, "The edit as it is now.")


@router.post(
    "/{name}/edits",
    status_code=202,
    summary="Edit all open runs of a version",
    responses={
        200: gives(FleetPreview, "What would become of it; nothing was changed (`dry_run`)."),
        202: gives(FleetEditView, "Written down: it goes from run to run, whatever dies next."),
    },
    openapi_extra=takes(
        FleetEditForm,
        {"look first": {**_ADD, "dry_run": True}, "a tenth of the runs first": {**_ADD, "canary_percent": 10}},
    ),
)
async def edit_fleet(name: WorkflowPath, request: Request, services: Api) -> Response:
    """Apply one edit to the own definition of each open run of a version, as if it were sent to each by itself."""
    body = await read_body(request, JSON)
    form = parsed_form(FleetEditForm, body)
    _check(form.operations, services)
    if await services.records.workflows.get(name, form.version) is None:
        raise no_such_workflow(name, form.version)
    edit = _new(services, name, form, request.state.caller)
    if form.dry_run:
        return answer(await preview(services, edit, form.canary_percent))
    return await once(services, request, body, lambda: _add(services, edit, form.canary_percent))


@router.get(
    "/{name}/edits/{edit_id}",
    summary="Look at an edit of a fleet",
    responses={200: gives(FleetEditPage, "How far it is, and what became of it run by run.")},
)
async def get_fleet_edit(
    name: WorkflowPath,
    edit_id: FleetEditPath,
    services: Api,
    state: Annotated[ItemState | None, Query(description="Only runs in this state.")] = None,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of the page before.")] = 0,
    limit: Limit = 50,
) -> Response:
    """The edit with its counts, and its runs page by page."""
    edit = await _found(services, name, edit_id)
    items = await services.records.fleet.items(edit_id, state=state, after=cursor, limit=limit + 1)
    following = str(items[limit - 1].position) if len(items) > limit else None
    return answer(FleetEditPage(await _view(services, edit), tuple(map(_run, items[:limit])), following))


@router.post("/{name}/edits/{edit_id}/cancel", summary="Cancel an edit of a fleet", responses={200: _TOLD})
async def cancel_fleet_edit(name: WorkflowPath, edit_id: FleetEditPath, request: Request, services: Api) -> Response:
    """Let it go to no further run. Runs that have it keep it; each can be reverted by itself."""
    await read_optional(request)
    edit = await _found(services, name, edit_id)
    if edit.status != "cancelled" and not await services.records.fleet.cancel(edit_id):
        raise _over(await _found(services, name, edit_id), "cancelled")
    return answer(await _view(services, await _found(services, name, edit_id)))


@router.post(
    "/{name}/edits/{edit_id}/resume",
    summary="Resume an edit of a fleet",
    responses={200: _TOLD},
    openapi_extra=takes(ResumeForm, {"whatever refuses": {"stop_on_error_share": 1}}, required=False),
)
async def resume_fleet_edit(name: WorkflowPath, edit_id: FleetEditPath, request: Request, services: Api) -> Response:
    """Go on behind the canary, or after it stopped; errors are counted anew, runs that failed are tried again.

    One that is running goes on, with the share of errors that is said."""
    form = parsed_form(ResumeForm, await read_optional(request))
    await _found(services, name, edit_id)
    if not await services.records.fleet.resume(edit_id, form.stop_on_error_share):
        raise _over(await _found(services, name, edit_id), "resumed")
    return answer(await _view(services, await _found(services, name, edit_id)))


def _check(operations: list[dict[str, Any]], services: Services) -> None:
    """Refuse what is no operation, or too many of them; whether they can be carried out depends on the run."""
    EditLimits(services.settings.edits).check_size([*operations], {"nodes": []})
    for place, operation in enumerate(operations):
        try:
            apply_patch({}, [operation])
        except EditRefused as wrong:
            if wrong.code in _FORM:
                raise refusal(*(_placed(found, place) for found in wrong.problems)) from None


def _placed(found: Problem, place: int) -> Problem:
    told = found.message.replace("operation 0", f"operation {place}", 1)
    return Problem(found.code, f"/operations/{place}{found.pointer.removeprefix('/0')}", told)


def _new(services: Services, name: str, form: FleetEditForm, by: str) -> NewFleetEdit:
    return NewFleetEdit(
        id=new_fleet_edit_id(services.clock.now()),
        workflow=name,
        version=form.version,
        operations=msgspec.Raw(msgspec.json.encode(form.operations)),
        description=form.description,
        by=by,
        on_running=form.on_running,
        rate_per_s=form.rate_per_s,
        stop_on_error_share=form.stop_on_error_share,
    )


async def _add(services: Services, edit: NewFleetEdit, canary_percent: float) -> Response:
    added = await services.records.fleet.add(edit, canary_percent)
    place = f"/api/v1/workflows/{quote(edit.workflow)}/edits/{edit.id}"
    return answer(await _view(services, added), 202, {"Location": place})


async def _found(services: Services, name: str, edit_id: str) -> FleetEdit:
    edit = await services.records.fleet.get(edit_id)
    if edit is None or edit.workflow != name:
        raise RequestRefused("API060", f"there is no edit {edit_id} of runs of the workflow `{name}`.")
    return edit


async def _view(services: Services, edit: FleetEdit) -> FleetEditView:
    return FleetEditView(
        edit.id,
        edit.workflow,
        edit.version,
        edit.status,
        edit.runs,
        edit.reach,
        FleetCounts(**await services.records.fleet.counts(edit.id)),
        edit.operations,
        edit.description,
        edit.by,
        edit.on_running,
        edit.rate_per_s,
        edit.stop_on_error_share,
        edit.created_at,
    )


def _run(item: FleetItem) -> FleetRun:
    return FleetRun(item.run_id, item.state, item.revision, item.code, item.message, item.decided_at)


def _over(edit: FleetEdit, wanted: str) -> RequestRefused:
    return RequestRefused(
        "API061", f"the edit {edit.id} is {edit.status} and cannot be {wanted}; nothing was changed. Ask for a new one."
    )
