"""Edits of running runs: RFC 6902 patches of the run's definition, its nodes and edges addressable by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, etag, gives, takes
from orchestrator_api.bodies import JSON, JSON_PATCH, Form, decoded, parsed_form, read_body
from orchestrator_api.commands import confirm, must_be_open, not_in_redis
from orchestrator_api.deps import Api, RefusedPatch, Services, TakenPatch
from orchestrator_api.edit_rights import EditRights
from orchestrator_api.event_view import NodeEvent, event_of
from orchestrator_api.idempotency import once
from orchestrator_api.paths import RunPath
from orchestrator_api.problems import LocatedProblem, located, problem
from orchestrator_api.reading import found
from orchestrator_api.view import NodeStatus
from pointsman.base.errors import EditRefused, InvalidDefinition, Problem, RunClosed, RunError, RunNotFound
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.execute import Prepare, Prepared
from pointsman.plan import plan_digest
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Patch, Transition

router = APIRouter(prefix="/api/v1/runs", tags=["patches"])

IF_MATCH: Final = "If-Match"


class PatchForm(Form):
    """A patch and what it is for."""

    operations: list[dict[str, Any]] = Field(
        description="RFC 6902 on the run's definition. `/nodes/<id>` and `/edges/<id>` work as well as indexes."
    )
    description: str = Field(default="", max_length=1_000, description="What it is for; kept in the run's history.")


class PatchDone(msgspec.Struct, frozen=True):
    """What a patch did; it is durable."""

    run_id: RunId
    revision: int
    """The run's revision now."""
    seq: int
    changed: bool
    """False where the patch leaves the definition as it is."""
    fired: tuple[NodeEvent, ...]
    """Nodes that were activated by it: the run had already passed what they are attached to."""
    cancelled: tuple[NodeEvent, ...]
    """Nodes that it took back: they were activated, and under the new plan they are not."""
    skipped: tuple[NodeEvent, ...]
    """Nodes behind what had already been decided otherwise."""
    warnings: tuple[LocatedProblem, ...]


class PatchTaken(msgspec.Struct, frozen=True):
    """An edit that made `revision` of its run."""

    revision: int
    seq: int
    at: Millis
    by: str
    description: str
    operations: msgspec.Raw


class PatchRefused(msgspec.Struct, frozen=True):
    """An edit that changed nothing, and why."""

    at: Millis
    by: str
    description: str
    operations: msgspec.Raw
    code: str
    problems: msgspec.Raw


class PatchLists(msgspec.Struct, frozen=True):
    """All edits of a run, oldest first."""

    taken: tuple[PatchTaken, ...]
    refused: tuple[PatchRefused, ...]


class _Unchanged(Exception):
    """The patch leaves the definition as it is."""

    def __init__(self, head: RunHead) -> None:
        super().__init__(head.revision)
        self.head = head


class _Mismatch(Exception):
    """The run is not at a revision that `If-Match` names."""

    def __init__(self, revision: int) -> None:
        super().__init__(revision)
        self.revision = revision


class _Sent(NamedTuple):
    """A patch as it came in."""

    run_id: RunId
    operations: list[Any]
    description: str
    by: str
    rights: EditRights | None
    """None: those of somebody who may do everything."""
    if_match: str | None
    within: str
    """Where in the body its operations stand."""

    @classmethod
    def of(cls, request: Request, run_id: RunId, operations: list[Any], description: str, within: str) -> _Sent:
        """The patch that came with a request."""
        state, if_match = request.state, request.headers.get(IF_MATCH)
        return cls(run_id, operations, description, state.caller, state.rights, if_match, within)


_ADD: Final = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "notify", "type": "function", "config": {"handler": "mail"}}},
    {"op": "add", "path": "/edges/-", "value": {"from": "classify", "to": "notify"}},
]
_DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: gives(PatchDone, "The run has the new revision, and it is durable.")
}


@router.patch(
    "/{run_id}",
    summary="Edit a running run",
    responses=_DONE,
    openapi_extra=takes(
        {"type": "array", "items": {"type": "object"}}, {"add a node": _ADD}, "application/json-patch+json"
    ),
)
async def patch_run(run_id: RunPath, request: Request, services: Api) -> Response:
    """Apply an RFC 6902 patch to the definition of an open run; what it adds behind the past is caught up with."""
    body = await read_body(request, JSON_PATCH)
    sent = _Sent.of(request, run_id, decoded(body), "", "")
    return await once(services, request, body, lambda: _edit(services, sent))


@router.post(
    "/{run_id}/patch",
    summary="Edit a running run, with a description",
    responses=_DONE,
    openapi_extra=takes(PatchForm, {"add a node": {"operations": _ADD, "description": "Tell the customer"}}),
)
async def post_patch(run_id: RunPath, request: Request, services: Api) -> Response:
    """The same as PATCH of the run, with a description."""
    body = await read_body(request, JSON)
    form = parsed_form(PatchForm, body)
    sent = _Sent.of(request, run_id, form.operations, form.description, "/operations")
    return await once(services, request, body, lambda: _edit(services, sent))


@router.get(
    "/{run_id}/patches",
    summary="The edits of a run",
    responses={200: gives(PatchLists, "Those that were taken, and those that were refused.")},
)
async def get_patches(run_id: RunPath, services: Api) -> Response:
    """Every edit of a run that was ever asked for."""
    await found(services, run_id)
    patches = services.records.patches
    taken, refused = await patches.taken(run_id), await patches.refused(run_id)
    return answer(PatchLists(tuple(map(_taken, taken)), tuple(map(_refused, refused))))


async def _edit(services: Services, sent: _Sent) -> Response:
    preparing = _Preparing(services, sent)
    try:
        change = await _landed(services, sent, preparing)
    except _Mismatch as other:
        told = f"run {sent.run_id} is at revision {other.revision}, not at {sent.if_match}; nothing was changed."
        return problem("API015", told, headers=etag(other.revision))
    except _Unchanged as same:
        return await _confirmed(services, same.head.seq, _nothing_done(same.head))
    except (EditRefused, InvalidDefinition) as wrong:
        refusal = _located(wrong, sent.within)
        await _audit(services, sent, refusal)
        raise refusal from None
    return await _confirmed(services, change.seq, _done(change, preparing.warnings))


async def _landed(services: Services, sent: _Sent, prepare: Prepare) -> Transition:
    """The transition of an edit that was taken."""
    rights = sent.rights
    try:
        await must_be_open(services, sent.run_id)
        return await services.live.executor.edit(sent.run_id, prepare, rights.allow if rights else None)
    except RunClosed as closed:
        gone: RunError = closed
    except RunNotFound:
        gone = await not_in_redis(services, sent.run_id)
    if rights is not None and isinstance(gone, RunClosed):
        raise rights.over()
    raise gone


class _Preparing:
    """Compiles a patch against whatever definition its run has."""

    def __init__(self, services: Services, sent: _Sent) -> None:
        self._services = services
        self._sent = sent
        self.warnings: tuple[Problem, ...] = ()

    async def __call__(self, head: RunHead) -> Prepared:
        """Compile it against the definition of `head`."""
        sent, records = self._sent, self._services.records
        if sent.if_match is not None and not matches(sent.if_match, head.revision):
            raise _Mismatch(head.revision)
        document = await records.documents.definition(head.definition)
        assert document is not None, "what a run points at is stored"
        current = (await records.plans.get(head.plan)).plan
        made = await self._services.compiler.patched(document, sent.operations, current)
        if made.definition == document:
            raise _Unchanged(head)
        if sent.rights is not None:
            await sent.rights.check(head, current, document, made, len(sent.operations))
        self.warnings = made.warnings

        async def keep() -> None:
            await records.documents.put_definition(made.definition)
            await records.documents.put_plan(made.encoded)

        program = self._services.live.executor.programs.built(made.plan, head)
        return Prepared(program, made.encoded, self._patch(head, made.definition, made.encoded), keep)

    def _patch(self, head: RunHead, definition: bytes, plan: bytes) -> Patch:
        return Patch(
            revision=0,
            plan=plan_digest(plan),
            definition=digest_of(definition),
            base_definition=head.definition,
            by=self._sent.by,
            description=self._sent.description,
            operations=tuple(self._sent.operations),
        )


def digest_of(document: bytes) -> Digest:
    """What names a stored definition."""
    return plan_digest(document)


def matches(if_match: str, revision: int) -> bool:
    """Whether one of the entity tags of `If-Match` is that of `revision`."""
    tags = [tag.strip() for tag in if_match.split(",")]
    return "*" in tags or f'"{revision}"' in tags


async def _confirmed(services: Services, seq: int, done: PatchDone) -> Response:
    await confirm(services, done.run_id, seq)
    return answer(done, headers=etag(done.revision))


def _nothing_done(head: RunHead) -> PatchDone:
    return PatchDone(head.run_id, head.revision, head.seq, False, (), (), (), ())


def _done(change: Transition, warnings: Sequence[Problem]) -> PatchDone:
    assert change.patch is not None, "an edit says what it was"
    nodes = event_of(change).nodes

    def those(*statuses: NodeStatus) -> tuple[NodeEvent, ...]:
        return tuple(node for node in nodes if node.status in statuses)

    return PatchDone(
        change.run_id,
        change.patch.revision,
        change.seq,
        True,
        those("dispatched", "running", "waiting", "completed", "failed"),
        those("cancelled"),
        those("skipped"),
        tuple(map(located, warnings)),
    )


def _located(wrong: EditRefused | InvalidDefinition, within: str) -> EditRefused | InvalidDefinition:
    """The refusal, its pointers into operations (they begin with an index) leading there from the root of the body."""
    problems = tuple(
        replace(found, pointer=within + found.pointer) if found.pointer[1:2].isdigit() else found
        for found in wrong.problems
    )
    return type(wrong)(wrong.code, wrong.message, problems=problems)


async def _audit(services: Services, sent: _Sent, refusal: EditRefused | InvalidDefinition) -> None:
    """Write down that the patch was refused: the one trace it leaves."""
    problems = [located(found) for found in refusal.problems]
    await services.records.patches.record_refusal(
        sent.run_id,
        RefusedPatch(
            by=sent.by,
            description=sent.description,
            operations=msgspec.Raw(msgspec.json.encode(sent.operations)),
            code=refusal.code,
            problems=msgspec.Raw(msgspec.json.encode(problems)),
        ),
    )


def _taken(patch: TakenPatch) -> PatchTaken:
    return PatchTaken(patch.revision, patch.seq, patch.at, patch.by, patch.description, patch.operations)


def _refused(patch: RefusedPatch) -> PatchRefused:
    return PatchRefused(patch.refused_at, patch.by, patch.description, patch.operations, patch.code, patch.problems)
