"""Edits of running runs: RFC 6902 patches of the run's definition, its nodes and edges addressable by id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import JSON_MEDIA, answer, component, etag, gives, takes
from orchestrator_api.bodies import JSON, JSON_PATCH, MERGE_PATCH, Form, decoded, media_type, parsed_form, read_body
from orchestrator_api.commands import confirm, not_in_redis
from orchestrator_api.compiling import Becoming, Changed
from orchestrator_api.deps import Api, RefusedPatch, Services, TakenPatch
from orchestrator_api.edit_limits import EditLimits
from orchestrator_api.edit_rights import EditRights
from orchestrator_api.event_view import NodeEvent, event_of
from orchestrator_api.idempotency import mark, once
from orchestrator_api.paths import RunPath
from orchestrator_api.preview import (
    EditOptions,
    Options,
    PatchPreview,
    Verdict,
    difference_of,
    hold,
    nothing_done,
    verdict_of,
)
from orchestrator_api.problems import LocatedProblem, located, problem
from orchestrator_api.reading import found
from orchestrator_api.repeated import Repeated, answered, earlier, must_be_new
from orchestrator_api.view import NodeStatus
from pointsman.base.errors import EditRefused, InvalidDefinition, Problem, RunClosed, RunError, RunNotFound
from pointsman.base.ids import Digest, Millis, RunId, Tip, token_id
from pointsman.definition import Document, Operation
from pointsman.definition.merge_patch import merge_operations
from pointsman.edit.difference import Difference
from pointsman.execute import Allow, Prepared, Tried
from pointsman.plan import plan_digest
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Patch, Transition, decode_event, tip_after

router = APIRouter(prefix="/api/v1/runs", tags=["patches"])

IF_MATCH: Final = "If-Match"
ACCEPT_PATCH: Final = ", ".join(sorted(JSON_PATCH | MERGE_PATCH))
_FIRED: Final[tuple[NodeStatus, ...]] = ("dispatched", "running", "waiting", "completed", "failed")

T = TypeVar("T")


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
    operations: tuple[Any, ...]
    """RFC 6902: as sent, or what the pattern or merge patch became."""
    fired: tuple[NodeEvent, ...]
    """Nodes that were activated by it: the run had already passed what they are attached to."""
    cancelled: tuple[NodeEvent, ...]
    """Nodes that it took back: they were activated, and under the new plan they are not."""
    restarted: tuple[NodeEvent, ...]
    """Nodes that were out and begin anew, as the new plan has them."""
    skipped: tuple[NodeEvent, ...]
    """Nodes behind what had already been decided otherwise."""
    warnings: tuple[LocatedProblem, ...]
    plan_hash: str
    """As a preview of it would have told."""


class PatchTaken(msgspec.Struct, frozen=True):
    """An edit that made `revision` of its run."""

    revision: int
    base_revision: int
    """The one that it was made of."""
    seq: int
    at: Millis
    by: str
    description: str
    operations: msgspec.Raw
    inverse: msgspec.Raw
    """The operations that undo it."""
    fired: tuple[NodeEvent, ...]
    """Nodes that were activated by it, or handed out anew."""
    cancelled: tuple[NodeEvent, ...]
    skipped: tuple[NodeEvent, ...]


class PatchRefused(msgspec.Struct, frozen=True):
    """An edit that changed nothing, and why."""

    at: Millis
    by: str
    description: str
    operations: msgspec.Raw
    """As sent; a merge patch or a pattern as the only item."""
    code: str
    problems: msgspec.Raw


class PatchLists(msgspec.Struct, frozen=True):
    """All edits of a run, oldest first."""

    taken: tuple[PatchTaken, ...]
    refused: tuple[PatchRefused, ...]


class Unchanged(Exception):
    """The patch leaves the definition as it is."""

    def __init__(self, head: RunHead) -> None:
        super().__init__(head.revision)
        self.head = head


class _Mismatch(Exception):
    """The run is not at a revision that `If-Match` names."""

    def __init__(self, revision: int) -> None:
        super().__init__(revision)
        self.revision = revision


class SentEdit(NamedTuple):
    """An edit as it came in."""

    run_id: RunId
    sent: list[Any]
    """What the audit shows if it is refused."""
    becoming: Becoming
    description: str
    by: str
    rights: EditRights | None
    """None: those of somebody who may do everything."""
    if_match: str | None
    options: EditOptions
    within: str = ""
    """Where in the body its operations stand."""
    restored: bytes | None = None
    """The definition that it leads back to, if nothing else has changed since."""
    request: str = ""
    """Names the request, where it has an `Idempotency-Key`."""

    @classmethod
    def of(
        cls, request: Request, run_id: RunId, options: EditOptions, sent: list[Any], becoming: Becoming, **more: Any
    ) -> SentEdit:
        """The edit that came with a request."""
        told = {"description": "", **more}
        state, if_match = request.state, request.headers.get(IF_MATCH)
        return cls(
            run_id, sent, becoming, by=state.caller, rights=state.rights, if_match=if_match, options=options, **told
        )


_ADD: Final = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "notify", "type": "function", "config": {"handler": "mail"}}},
    {"op": "add", "path": "/edges/-", "value": {"from": "classify", "to": "notify"}},
]
_SHOWN: Final = {"oneOf": [component(PatchDone), component(PatchPreview)]}
DONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The run has the new revision, and it is durable; with `dry_run=true`, what would happen.",
        "content": {JSON_MEDIA: {"schema": _SHOWN}},
    }
}
_LIST: Final = {"type": "array", "items": {"type": "object"}}
_BODY: Final = takes(_LIST, {"add a node": _ADD}, *JSON_PATCH)
_BODY["requestBody"]["content"] |= takes({"type": "object"}, {"rename": {"name": "triage-2"}}, *MERGE_PATCH)[
    "requestBody"
]["content"]


@router.patch("/{run_id}", summary="Edit a running run", responses=DONE, openapi_extra=_BODY)
async def patch_run(run_id: RunPath, request: Request, services: Api, options: Options) -> Response:
    """Apply an RFC 6902 or RFC 7396 patch to the definition of an open run; what it adds behind the past is caught up
    with."""
    if media_type(request) not in JSON_PATCH | MERGE_PATCH:
        given = media_type(request) or "missing"
        told = f"Content-Type is {given}; a run takes {ACCEPT_PATCH}. Nothing was read."
        return problem("API004", told, headers={"Accept-Patch": ACCEPT_PATCH})
    body = await read_body(request, JSON_PATCH | MERGE_PATCH)
    patch = decoded(body)
    if media_type(request) in MERGE_PATCH:
        sent = SentEdit.of(request, run_id, options, [patch], lambda document: merge_operations(document, patch))
    else:
        sent = SentEdit.of(request, run_id, options, patch, lambda _: patch)
    return await edit_run(services, request, body, sent)


@router.post(
    "/{run_id}/patch",
    summary="Edit a running run, with a description",
    responses=DONE,
    openapi_extra=takes(PatchForm, {"add a node": {"operations": _ADD, "description": "Tell the customer"}}),
)
async def post_patch(run_id: RunPath, request: Request, services: Api, options: Options) -> Response:
    """The same as PATCH of the run, with a description."""
    body = await read_body(request, JSON)
    form = parsed_form(PatchForm, body)
    operations = form.operations
    sent = SentEdit.of(
        request,
        run_id,
        options,
        operations,
        lambda _: operations,
        description=form.description,
        within="/operations",
    )
    return await edit_run(services, request, body, sent)


@router.get(
    "/{run_id}/patches",
    summary="The edits of a run",
    responses={200: gives(PatchLists, "Those that were taken, and those that were refused.")},
)
async def get_patches(run_id: RunPath, services: Api) -> Response:
    """Every edit of a run that was ever asked for, with the operations that undo it, and what it did."""
    await found(services, run_id)
    patches = services.records.patches
    events = await patches.events(run_id)
    taken, refused = await patches.taken(run_id), await patches.refused(run_id)
    told = tuple(_taken(patch, events[patch.revision]) for patch in taken if patch.revision in events)
    return answer(PatchLists(told, tuple(map(_refused, refused))))


async def edit_run(services: Services, request: Request, body: bytes, sent: SentEdit) -> Response:
    """Carry an edit out, or say what it would do. A preview takes no `Idempotency-Key`: it leaves no trace at all."""
    if sent.options.dry_run:
        return await _edit(services, sent, _previewed)
    named = sent._replace(request=mark(request, body))
    return await once(services, request, body, lambda: _edit(services, named, _committed))


_Way: TypeAlias = "Callable[[Services, SentEdit, Preparing], Awaitable[Response]]"


async def _edit(services: Services, sent: SentEdit, way: _Way) -> Response:
    try:
        return await way(services, sent, Preparing(services, sent))
    except _Mismatch as other:
        told = (
            f"run {sent.run_id} is at revision {other.revision}, not at {sent.if_match}; nothing was changed. Read its "
            "definition again, and send what you mean now with the ETag that comes with it."
        )
        return problem("API015", told, headers=etag(other.revision))
    except (EditRefused, InvalidDefinition) as wrong:
        refusal = _located(wrong, sent.within)
        if not sent.options.dry_run:
            await audit_refusal(services, sent, refusal)
        raise refusal from None


async def _committed(services: Services, sent: SentEdit, preparing: Preparing) -> Response:
    executor, options = services.live.executor, sent.options
    last: list[Verdict] = []

    def judge(tried: Tried) -> None:
        last[:] = [_judged(sent, tried)]
        hold(last[0], options.plan_hash, sent.run_id)

    change = await earlier(services.records, sent.run_id, sent.request)
    if change is not None:
        return await _told_again(services, change)
    try:
        change = await _open(
            services, sent, lambda allow: executor.edit(sent.run_id, preparing, allow, options.on_running, judge)
        )
    except Unchanged as same:
        verdict = nothing_done(same.head.plan)
        hold(verdict, options.plan_hash, sent.run_id)
        return await _confirmed(services, same.head.tip, _nothing_done(same.head, preparing.operations, verdict))
    except Repeated as again:
        return await _told_again(services, again.change)
    services.crasher.reach("between_patch_and_answer")
    return await _confirmed(services, tip_after(change), _done(change, last[0], preparing.warnings))


async def _told_again(services: Services, change: Transition) -> Response:
    """The answer to an edit that the journal has."""
    done = _done(change, *await answered(services, change))
    return answer(done, headers=etag(done.revision))


async def _previewed(services: Services, sent: SentEdit, preparing: Preparing) -> Response:
    executor, options = services.live.executor, sent.options
    try:
        tried = await _open(
            services, sent, lambda allow: executor.preview(sent.run_id, preparing, allow, options.on_running)
        )
    except Unchanged as same:
        head, revision, verdict, changed = same.head, same.head.revision, nothing_done(same.head.plan), Difference()
    else:
        head, revision, verdict = tried.run.head, tried.run.head.revision + 1, _judged(sent, tried)
        changed = difference_of(tried)
    hold(verdict, options.plan_hash, sent.run_id)
    told = PatchPreview(
        sent.run_id,
        head.revision,
        revision,
        revision > head.revision,
        preparing.operations,
        changed,
        verdict.effect,
        tuple(map(located, preparing.warnings)),
        verdict.plan_hash,
    )
    return answer(told, headers=etag(head.revision))


def _judged(sent: SentEdit, tried: Tried) -> Verdict:
    """What an edit does, once it is clear that its sender may do that."""
    verdict = verdict_of(tried)
    if sent.rights is not None:
        sent.rights.judge(verdict.effect)
    return verdict


async def _open(services: Services, sent: SentEdit, work: Callable[[Allow | None], Awaitable[T]]) -> T:
    """Do something with a run that is open, and say better than the executor can why it is not.

    Postgres is asked only then: what Redis holds was accepted.
    """
    rights = sent.rights
    try:
        return await work(rights.allow if rights else None)
    except RunClosed as closed:
        gone: RunError = closed
    except RunNotFound:
        gone = await not_in_redis(services, sent.run_id)
    if rights is not None and isinstance(gone, RunClosed):
        raise rights.over()
    raise gone


class Preparing:
    """Compiles a patch against whatever definition its run has."""

    def __init__(self, services: Services, sent: SentEdit) -> None:
        self._services = services
        self._sent = sent
        self._limits = EditLimits(services.settings.edits)
        self.operations: tuple[Any, ...] = ()
        self.warnings: tuple[Problem, ...] = ()

    async def __call__(self, head: RunHead) -> Prepared:
        """Compile it against the definition of `head`."""
        sent, records = self._sent, self._services.records
        await must_be_new(records, head, sent.request)
        if sent.if_match is not None and not matches(sent.if_match, head.revision):
            raise _Mismatch(head.revision)
        document = await records.documents.definition(head.definition)
        assert document is not None, "what a run points at is stored"
        programs = self._services.live.executor.programs
        current = (await programs.of(head)).plan
        changed = await self._services.compiler.patched(document, self._becoming, current, sent.restored)
        made, self.operations = changed.made, changed.operations
        if made.definition == document:
            raise Unchanged(head)
        if sent.rights is not None:
            await sent.rights.check(head, current, document, made, len(changed.operations))
        await self._limits.check(records, head, changed)
        self.warnings = made.warnings

        async def keep() -> None:
            await records.documents.put(made.definition, made.encoded)

        return Prepared(programs.built(made.plan, head), made.encoded, self._patch(head, changed), keep)

    def _becoming(self, document: Document) -> Sequence[Operation]:
        operations = self._sent.becoming(document)
        if isinstance(operations, list):
            self._limits.check_size(operations, document)
        return operations

    def _patch(self, head: RunHead, changed: Changed) -> Patch:
        return Patch(
            revision=0,
            plan=plan_digest(changed.made.encoded),
            definition=digest_of(changed.made.definition),
            base_definition=head.definition,
            by=self._sent.by,
            description=self._sent.description,
            operations=changed.operations,
            inverse=changed.inverse,
            request=self._sent.request,
        )


def digest_of(document: bytes) -> Digest:
    """What names a stored definition."""
    return plan_digest(document)


def matches(if_match: str, revision: int) -> bool:
    """Whether one of the entity tags of `If-Match` is that of `revision`."""
    tags = [tag.strip() for tag in if_match.split(",")]
    return "*" in tags or f'"{revision}"' in tags


async def _confirmed(services: Services, tip: Tip, done: PatchDone) -> Response:
    await confirm(services, done.run_id, done.seq, tip)
    return answer(done, headers=etag(done.revision))


def _nothing_done(head: RunHead, operations: tuple[Any, ...], verdict: Verdict) -> PatchDone:
    return PatchDone(
        head.run_id, head.revision, head.seq, False, operations, (), (), (), (), (), plan_hash=verdict.plan_hash
    )


def _done(change: Transition, verdict: Verdict, warnings: Sequence[Problem]) -> PatchDone:
    assert change.patch is not None, "an edit says what it was"
    nodes = event_of(change).nodes
    fired = _those(nodes, *_FIRED)
    restarted = set(verdict.effect.restarted)
    return PatchDone(
        change.run_id,
        change.patch.revision,
        change.seq,
        True,
        change.patch.operations,
        tuple(node for node in fired if token_id(node.frame, node.node) not in restarted),
        _those(nodes, "cancelled"),
        tuple(node for node in fired if token_id(node.frame, node.node) in restarted),
        _those(nodes, "skipped"),
        tuple(map(located, warnings)),
        verdict.plan_hash,
    )


def _those(nodes: Sequence[NodeEvent], *statuses: NodeStatus) -> tuple[NodeEvent, ...]:
    return tuple(node for node in nodes if node.status in statuses)


def _located(wrong: EditRefused | InvalidDefinition, within: str) -> EditRefused | InvalidDefinition:
    """The refusal, its pointers into operations (they begin with an index) leading there from the root of the body."""
    problems = tuple(
        replace(found, pointer=within + found.pointer) if found.pointer[1:2].isdigit() else found
        for found in wrong.problems
    )
    return type(wrong)(wrong.code, wrong.message, problems=problems)


async def audit_refusal(services: Services, sent: SentEdit, refusal: EditRefused | InvalidDefinition) -> None:
    """Write down that the patch was refused: the one trace it leaves."""
    problems = [located(found) for found in refusal.problems]
    await services.records.patches.record_refusal(
        sent.run_id,
        RefusedPatch(
            by=sent.by,
            description=sent.description,
            operations=msgspec.Raw(msgspec.json.encode(sent.sent)),
            code=refusal.code,
            problems=msgspec.Raw(msgspec.json.encode(problems)),
        ),
    )


def _taken(patch: TakenPatch, event: bytes) -> PatchTaken:
    nodes = event_of(decode_event(event)).nodes
    return PatchTaken(
        patch.revision,
        patch.revision - 1,
        patch.seq,
        patch.at,
        patch.by,
        patch.description,
        patch.operations,
        patch.inverse or msgspec.Raw(b"[]"),
        _those(nodes, *_FIRED),
        _those(nodes, "cancelled"),
        _those(nodes, "skipped"),
    )


def _refused(patch: RefusedPatch) -> PatchRefused:
    return PatchRefused(patch.refused_at, patch.by, patch.description, patch.operations, patch.code, patch.problems)
