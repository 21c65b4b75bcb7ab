"""Runs: accepting them, listing them, looking at one."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import structlog
from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, etag, gives, passed_on, takes
from orchestrator_api.bodies import JSON, Form, decoded, filled, read_body, refusal
from orchestrator_api.deps import Api, Services
from orchestrator_api.idempotency import HEADER, REPLAYED, key_reused, keyed
from orchestrator_api.ids import new_run_id
from orchestrator_api.paths import TAG, AtRevision, Limit, RunPath
from orchestrator_api.problems import LocatedProblem, located
from orchestrator_api.reading import current, taken, waiting_for_worker
from orchestrator_api.revisions import at_or_now
from orchestrator_api.room import must_have_room
from orchestrator_api.view import RunView, view_of
from pointsman.base.errors import PointsmanError, Problem, RequestRefused, ServerUnavailable
from pointsman.base.ids import RUN_ID, Digest, Millis, RunId
from pointsman.execute import stored
from pointsman.ports.run_index import NEWEST, Acceptance, Cursor, NewRun, RunRow
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.output import EMPTY, output_of
from pointsman.protocol.state import ErrorInfo, RunStatus

log = structlog.get_logger()
router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

START_PATIENCE_S: Final = 2.0
"""How long a caller waits for the start; after that the supervisor does it. A start that is on its way for longer does
no harm: Redis refuses it once the run may have ended."""


class StartRun(Form):
    """What to run: a published workflow, or a definition sent along."""

    workflow: str | None = Field(default=None, min_length=1, max_length=200, description="A published workflow.")
    version: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Its version; the newest unless given.")
    tag: str | None = Field(
        default=None, pattern=TAG, description="In place of a version: the one that the tag names now."
    )
    definition: Annotated[Any, WithJsonSchema({"type": "object"})] = Field(
        default=None, description="A definition, in place of a workflow."
    )
    input: Any = Field(default=None, description="Any JSON; expressions read it as `input`.")
    run_id: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._-]{1,128}$", description="The run's id; made up unless given."
    )


class RunSummary(msgspec.Struct, frozen=True):
    """A run in brief, as the journal knows it. Times are Unix milliseconds."""

    run_id: RunId
    workflow: str
    version: int | None
    """Null where the definition came with the request."""
    tag: str | None
    """What it was started by."""
    forked_from: RunId | None
    status: RunStatus
    revision: int
    error: ErrorInfo | None
    created_at: Millis
    started_at: Millis | None
    ended_at: Millis | None
    stuck: str | None
    """Why nothing will move it, as the supervisor has found; null otherwise."""


class AcceptedRun(msgspec.Struct, frozen=True):
    """A run that was accepted: it is in Postgres, and will run, whatever dies next."""

    run_id: RunId
    workflow: str
    version: int | None
    status: RunStatus
    created_at: Millis
    warnings: tuple[LocatedProblem, ...]
    """What the compiler would have the author of an inline definition look at."""


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first."""

    runs: tuple[RunSummary, ...]
    next: str | None
    """The cursor of the next page; null on the last one."""


class _Chosen(NamedTuple):
    """What a run is to execute, stored already."""

    workflow: str
    version: int | None
    definition: Digest
    plan: Digest
    encoded: bytes
    warnings: tuple[Problem, ...] = ()


@router.post(
    "",
    status_code=201,
    summary="Start a run",
    responses={201: gives(AcceptedRun, "Accepted: the run is in Postgres and will run, whatever dies next.")},
    openapi_extra=takes(
        StartRun,
        {
            "a published workflow": {"workflow": "support-triage", "input": {"ticket": 4711}},
            "the version that a tag names": {"workflow": "support-triage", "tag": "prod"},
            "a definition": {
                "definition": {"name": "hello", "nodes": [{"id": "greet", "type": "function"}], "edges": []},
                "run_id": "run_1",
            },
        },
    ),
)
async def start_run(request: Request, services: Api) -> Response:
    """Accept a run and start it. A run that cannot be started now, since Redis is down, is started once it can be."""
    body = await read_body(request, JSON)
    form, key = _form(body), keyed(request, body)
    is_timed = services.is_timed
    if form.tag is not None and key is not None:
        # The tag may have moved since, or be gone: the answer is still the run that this request made.
        before = await services.records.runs.accepted_before(key)
        if before is not None:
            return _taken_before(before, request, ())
    run_id = RunId(form.run_id) if form.run_id is not None else new_run_id(services.clock.now())
    await _not_while_recovering(services, run_id)
    await must_have_room(services, request.state.caller)
    chosen = await _chosen(services, form, body)
    run = await _new_run(services, run_id, form, chosen, request.state.caller)
    acceptance = await services.records.runs.accept(run, key)
    if acceptance.outcome != "accepted":
        return _taken_before(acceptance, request, chosen.warnings)
    assert acceptance.run is not None, "it was just accepted"
    services.crasher.reach("between_accept_and_start")
    if is_timed:
        await started(run.run_id, lambda: services.live.executor.start(run.head(), chosen.encoded))
    return _accepted(acceptance.run, chosen.warnings, {})


@router.get("", summary="List runs", responses={200: gives(RunPage, "Runs, newest first.")})
async def list_runs(
    services: Api,
    status: Annotated[RunStatus | None, Query(description="Only runs of this status.")] = None,
    workflow: Annotated[str | None, Query(max_length=200, description="Only runs of this workflow.")] = None,
    stuck: Annotated[bool, Query(description="Only open runs that nothing will move.")] = False,
    forked_from: Annotated[
        RunId | None, Query(pattern=r"^[A-Za-z0-9._-]{1,128}$", description="Only forks of this run.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=300, description="`next` of the page before.")] = None,
    limit: Limit = 50,
) -> Response:
    """List runs, newest first."""
    after = _cursor(cursor) if cursor is not None else NEWEST
    if workflow is not None and "\0" in workflow:
        raise refusal(Problem("API006", "/query/workflow", "a name holds no NUL."))
    records = services.records
    if stuck and forked_from is not None:
        raise refusal(Problem("API006", "/query/stuck", "`stuck` and `forked_from` do not go together."))
    if stuck and status is not None:
        raise refusal(Problem("API006", "/query/stuck", "a run that is stuck is RUNNING; leave `status` out."))
    if stuck:
        rows = await records.stuck.page(workflow=workflow, after=after, limit=limit + 1)
    else:
        rows = await records.runs.page(
            status=status, workflow=workflow, forked_from=forked_from, after=after, limit=limit + 1
        )
    shown = rows[:limit]
    reasons = await records.stuck.reasons([row.run_id for row in shown])
    following = _spelled(shown[-1]) if len(rows) > limit else None
    return answer(RunPage(tuple(_summary(row, reasons.get(row.run_id)) for row in shown), following))


@router.get(
    "/{run_id}",
    summary="Look at a run",
    responses={200: gives(RunView, "The run and all its nodes, each in its latest frame.")},
)
async def get_run(run_id: RunPath, services: Api) -> Response:
    """The run as it is now: an open one from Redis, a final one from its journal."""
    row, run = await current(services, run_id)
    plan = (await services.records.plans.get(run.head.plan)).plan
    held = await taken(services, run)
    view = view_of(run, plan, row.version, row.started_at, held, row.tag)
    stuck = (await services.records.stuck.reasons([run_id])).get(run_id)
    unserved = await waiting_for_worker(services, run, held)
    shown = msgspec.structs.replace(view, stuck=stuck, waiting_for_worker=unserved)
    return answer(shown, headers=etag(run.head.revision))


@router.get(
    "/{run_id}/definition",
    summary="The author's document",
    responses={200: {"description": "The definition at the run's revision.", "content": {"application/json": {}}}},
)
async def get_definition(run_id: RunPath, services: Api, revision: AtRevision = None) -> Response:
    """The definition as its author wrote it and patches changed it. The ETag is the revision, for `If-Match`."""
    had, number = await at_or_now(services, run_id, revision)
    body = await services.records.documents.definition(had.definition)
    assert body is not None, "what a run points at is stored"
    return passed_on(body, etag(number))


@router.get(
    "/{run_id}/plan",
    summary="The compiled plan",
    responses={200: {"description": "The plan at the run's revision.", "content": {"application/json": {}}}},
)
async def get_plan(run_id: RunPath, services: Api, revision: AtRevision = None) -> Response:
    """The plan that the run executes, in its canonical JSON. The ETag is the revision."""
    had, number = await at_or_now(services, run_id, revision)
    return passed_on((await services.records.plans.get(had.plan)).encoded, etag(number))


def _form(body: bytes) -> StartRun:
    """The form, `input` and `definition` left as the bytes they are."""
    members = decoded(body, dict[str, msgspec.Raw])
    raw = {name: members.pop(name) for name in ("input", "definition") if name in members}
    given = {name: member for name, member in raw.items() if bytes(member) != b"null"}
    form = filled(StartRun, {name: decoded(bytes(member)) for name, member in members.items()} | given)
    if (form.workflow is None) == (form.definition is None):
        raise refusal(Problem("API006", "", "send either `workflow` or `definition`."))
    for name in ("version", "tag"):
        if getattr(form, name) is not None and form.workflow is None:
            raise refusal(Problem("API006", f"/{name}", f"`{name}` goes with `workflow`."))
    if form.version is not None and form.tag is not None:
        raise refusal(Problem("API006", "/tag", "send either `version` or `tag`."))
    return form


async def _chosen(services: Services, form: StartRun, body: bytes) -> _Chosen:
    if form.workflow is None:
        return await _inline(services, bytes(form.definition), body)
    version = form.version if form.tag is None else await _tagged(services, form.workflow, form.tag)
    found = await services.records.workflows.get(form.workflow, version)
    if found is None:
        raise no_such_workflow(form.workflow, version)
    plan = await services.records.plans.get(found.plan)
    return _Chosen(found.workflow, found.version, found.definition, found.plan, plan.encoded)


async def _tagged(services: Services, workflow: str, tag: str) -> int:
    """The version that a tag names now."""
    move = await services.records.tags.get(workflow, tag)
    if move is None or move.version is None:
        raise no_such_tag(workflow, tag)
    return move.version


async def _inline(services: Services, definition: bytes, body: bytes) -> _Chosen:
    made = await services.compiler.compile(definition, whole=body)
    documents = services.records.documents
    digests = await documents.put_definition(made.definition), await documents.put_plan(made.encoded)
    return _Chosen(made.plan.name, None, *digests, made.encoded, made.warnings)


async def _new_run(services: Services, run_id: RunId, form: StartRun, chosen: _Chosen, tenant: str) -> NewRun:
    given = output_of(bytes(form.input)) if form.input is not None else EMPTY
    return NewRun(
        run_id=run_id,
        workflow=chosen.workflow,
        version=chosen.version,
        definition=chosen.definition,
        plan=chosen.plan,
        engine=services.compiler.engine.name,
        input=await stored(given, services.blobs, services.settings.coordinator.inline_limit_bytes),
        metadata=None,
        created_at=services.clock.now(),
        tag=form.tag,
        tenant=tenant,
    )


async def _not_while_recovering(services: Services, run_id: RunId) -> None:
    """Raise `ServerUnavailable` SRV061 while the partition of a run is being recovered. One that is away keeps no run
    from being accepted."""
    try:
        await services.live.admit(run_id)
    except ServerUnavailable as why:
        if why.code == "SRV061":
            raise


async def started(run_id: RunId, start: Callable[[], Awaitable[StartOutcome]]) -> None:
    """Start an accepted run if that can be done right now; else the supervisor does."""
    try:
        async with asyncio.timeout(START_PATIENCE_S):
            reason: str = await start()
    except PointsmanError as why:
        reason = str(why)
    except TimeoutError:
        reason = "Redis took too long"
    if reason not in ("started", "exists", "busy"):
        log.warning("start_left_to_supervisor", run_id=run_id, reason=reason)


def no_such_workflow(name: str, version: int | None) -> RequestRefused:
    """The refusal of a workflow that was never published."""
    told = (
        f"the workflow `{name}` has no version {version}" if version is not None else f"there is no workflow `{name}`"
    )
    return RequestRefused("API010", f"{told}. List workflows to see those there are.")


def no_such_tag(workflow: str, tag: str) -> RequestRefused:
    """The refusal of a tag that a workflow does not have."""
    told = f"the workflow `{workflow}` has no tag `{tag}`; nothing was changed"
    return RequestRefused("API070", f"{told}. GET /api/v1/workflows/{{name}}/tags lists those there are.")


def _taken_before(acceptance: Acceptance, request: Request, warnings: tuple[Problem, ...]) -> Response:
    """The answer to a request that made no run, since one like it came before."""
    if acceptance.outcome == "key_reused":
        raise key_reused(request.headers[HEADER])
    run = acceptance.run
    assert run is not None, "a run that was accepted stays"
    if acceptance.outcome == "run_exists":
        raise RequestRefused("API012", f"there is a run {run.run_id} already; it is as it was. Use another run_id.")
    return _accepted(run, warnings, REPLAYED)


def _accepted(row: RunRow, warnings: tuple[Problem, ...], headers: dict[str, str]) -> Response:
    told = tuple(map(located, warnings))
    accepted = AcceptedRun(row.run_id, row.workflow, row.version, row.status, row.created_at, told)
    return answer(accepted, 201, {"Location": f"/api/v1/runs/{row.run_id}", **headers})


def _summary(row: RunRow, stuck: str | None) -> RunSummary:
    return RunSummary(
        row.run_id,
        row.workflow,
        row.version,
        row.tag,
        row.forked.run_id if row.forked is not None else None,
        row.status,
        row.revision,
        row.error,
        row.created_at,
        row.started_at,
        row.ended_at,
        stuck,
    )


def _spelled(row: RunRow) -> str:
    return base64.urlsafe_b64encode(f"{row.created_at}:{row.run_id}".encode()).decode().rstrip("=")


def _cursor(text: str) -> Cursor:
    try:
        created_at, _, run_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(":")
        found = Cursor(int(created_at), run_id)
    except (binascii.Error, ValueError):
        raise refusal(
            Problem("API006", "/query/cursor", "this is no cursor; take `next` of the page before.")
        ) from None
    if not 0 <= found.created_at < 2**63 or not RUN_ID.match(run_id):
        raise refusal(Problem("API006", "/query/cursor", "this is no cursor; take `next` of the page before."))
    return found
