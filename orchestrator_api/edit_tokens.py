"""Edit tokens: issued to a task that is out, and let in where they are good for."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Final

import msgspec
import structlog
from biscuit_auth import PrivateKey
from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, Form, parsed_form, read_body, refusal
from orchestrator_api.deps import Api, RefusedPatch, Services
from orchestrator_api.edit_rights import EditRights, is_out
from orchestrator_api.problems import problem
from pointsman.base.errors import EditRefused, PointsmanError, Problem, RequestRefused
from pointsman.base.ids import FrameId, Millis, NodeId, RunId, TokenId, split_job, split_token
from pointsman.protocol.state import OpenToken
from pointsman.rights.biscuit import ROOT, mint, public_of, read
from pointsman.rights.grant import CONTROL, Grant, Limits, Share
from pointsman.rights.signing_key import signing_key
from pointsman.settings import EditSettings

log = structlog.get_logger()
router = APIRouter(prefix="/api/v1/edit-tokens", tags=["edit tokens"])

_RUN: Final = r"/api/v1/runs/([A-Za-z0-9._-]{1,128})"
_EDITS: Final = re.compile(f"PATCH {_RUN}|POST {_RUN}/(?:patch|edits)")
_OF_RUN: Final = re.compile(f"{_RUN}(?:/.*)?")
_INVALID: Final = frozenset({"API040", "API041"})
_NOBODY: Final = "edit token (not valid)"
_TYPE: Final = r"^[A-Za-z0-9_.-]{1,64}$"
NodeType = Annotated[str, Field(pattern=_TYPE)]


class EditTokenForm(Form):
    """What a task wants to be able to do to its run; what is left out is as much as there is to have."""

    job_id: str = Field(max_length=400, description="That of the task, as the worker was handed it.")
    types: list[NodeType] | None = Field(default=None, max_length=50, description="Node types it may add.")
    nodes: int | None = Field(default=None, ge=0, le=100_000, description="How many nodes it may add in all.")
    operations: int | None = Field(
        default=None, ge=0, le=100_000, description="How many operations it may send in all."
    )


class IssuedEditToken(msgspec.Struct, frozen=True):
    """An edit token. It is kept nowhere: whoever loses it asks for another one."""

    token: str
    """For `Authorization: Bearer …`."""
    run_id: RunId
    node_id: NodeId
    frame: FrameId
    attempt: int
    types: tuple[str, ...]
    nodes: int
    operations: int
    expires_at: Millis
    """Or when the attempt ends, whichever is first."""


class EditTokens:
    """The API's side of edit tokens."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings.edits
        self._signing_key: PrivateKey | None = None
        if self._settings.key_file is not None:
            self._key()  # a wrong file is told at the start

    def issue(self, grant: Grant) -> str:
        """The text of a token. Raises `SettingsError` CFG011."""
        return mint(grant, self._key())

    async def let_in(self, scope: Scope, text: str) -> Response | None:
        """Let a request in that comes with an edit token, its rights beside it, or say why not."""
        asked = _EDITS.fullmatch(f"{scope['method']} {scope['path']}")
        if asked is None:
            return await self._elsewhere(scope, text)
        run_id, by = RunId(asked[1] or asked[2]), _NOBODY
        try:
            key = public_of(self._key())
            grant = read(text, key)
            by = grant.by
            self._check(grant, run_id)
        except PointsmanError as why:
            await self._audit(run_id, by, why)
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if why.code in _INVALID else {}
            return problem(why.code, why.message, headers=headers)
        rights = EditRights(self._services, text, key, grant)
        scope.setdefault("state", {}).update(caller=grant.by, rights=rights)
        return None

    async def _elsewhere(self, scope: Scope, text: str) -> Response:
        """Deny what is no edit. It is written down with the run that it is about: that named, or else the token's."""
        told = "edit tokens are for edits of their run alone; nothing was done. Use an API key."
        named = _OF_RUN.fullmatch(scope["path"])
        run_id, by = RunId(named[1]) if named is not None else None, _NOBODY
        with suppress(PointsmanError):
            grant = read(text, public_of(self._key()))
            run_id, by = run_id or grant.run_id, grant.by
        why = EditRefused("API044", f"{scope['method']} {scope['path'][:200]}: {told}")
        if run_id is None:
            log.warning("denial_of_no_run", by=by, code=why.code, reason=why.message)
        else:
            await self._audit(run_id, by, why)
        return problem("API044", told)

    def _check(self, grant: Grant, run_id: RunId) -> None:
        """What can be said of a token without looking at its run."""
        if grant.run_id != run_id:
            told = f"the edit token is for run {grant.run_id}, not for {run_id[:128]}; nothing was done."
            raise EditRefused("API043", told)
        if grant.until is not None and grant.until < self._services.clock.now():
            raise EditRefused("API041", "the edit token has expired; nothing was done. Ask for another one.")

    async def _audit(self, run_id: RunId, by: str, why: PointsmanError) -> None:
        """Write the refusal down, with its run if there is such a run; the answer does not depend on that."""
        try:
            records = self._services.records
            if await records.runs.get(run_id) is None:
                log.warning("denial_of_no_run", by=by, code=why.code, reason=why.message)
                return
            nothing = msgspec.Raw(b"[]")
            await records.patches.record_refusal(run_id, RefusedPatch(by, why.message, nothing, why.code, nothing))
        except PointsmanError as lost:
            log.warning("denial_not_recorded", run_id=run_id, code=why.code, reason=lost.message)

    def _key(self) -> PrivateKey:
        if self._signing_key is None:
            self._signing_key = signing_key(self._settings.key_file, self._services.settings.data_dir)
        return self._signing_key


async def edit_tokens_of(request: Request) -> EditTokens:
    """The edit tokens of the process that a request came to. Like `services_of`, it does not wait."""
    tokens: EditTokens = request.app.state.edit_tokens
    return tokens


@router.post(
    "",
    status_code=201,
    summary="Issue an edit token",
    responses={201: gives(IssuedEditToken, "For the task alone, as long as it is out.")},
    openapi_extra=takes(
        EditTokenForm,
        {
            "as much as there is": {"job_id": "run_1::plan:1"},
            "a little": {"job_id": "run_1::plan:1", "types": ["function"], "nodes": 2, "operations": 4},
        },
    ),
)
async def issue_edit_token(
    request: Request, services: Api, tokens: Annotated[EditTokens, Depends(edit_tokens_of)]
) -> Response:
    """Issue a token with which a task can extend its own run, behind its own node."""
    form = parsed_form(EditTokenForm, await read_body(request, JSON))
    run_id, token, attempt = _job(form.job_id)
    state = await _out(services, run_id, token, attempt)
    limits = _limits(form, state.type, services.settings.edits, services.clock.now())
    grant = Grant(run_id, token, attempt, request.state.caller, (Share(ROOT, limits),))
    text = tokens.issue(grant)
    log.info("edit_token_issued", run_id=run_id, node=grant.node, token=token, attempt=attempt, to=grant.issued_to)
    return answer(_issued(text, grant, limits), 201, {"Cache-Control": "no-store"})


def _job(job_id: str) -> tuple[RunId, TokenId, int]:
    job = split_job(job_id)
    if job is None:
        raise refusal(Problem("API006", "/job_id", "this is not the job_id of a task."))
    return job


async def _out(services: Services, run_id: RunId, token: TokenId, attempt: int) -> OpenToken:
    """The state of a task's attempt that is out. Raises `RequestRefused` API045 where it is not."""
    run = (await services.live.store.load([run_id])).get(run_id)
    state = run.tokens.get(token) if run is not None and not run.is_final else None
    if state is None or not is_out(state, attempt):
        told = f"attempt {attempt} of `{token}` in run {run_id} is not out; no token was issued."
        raise RequestRefused("API045", f"{told} Ask while the task is running, with its own job_id.")
    return state


def _limits(form: EditTokenForm, own_type: str, most: EditSettings, now: Millis) -> Limits:
    """What the request asks for, if it may have that."""
    allowed = CONTROL | {own_type, *most.token_types}
    wanted = frozenset(form.types) if form.types is not None else allowed
    told = [f"`{name}` is no type that it may add; those are {_listed(allowed)}." for name in sorted(wanted - allowed)]
    beyond = [Problem("API046", "/types", text) for text in told]
    for name, asked, bound in (
        ("nodes", form.nodes, most.token_nodes),
        ("operations", form.operations, most.token_operations),
    ):
        if asked is not None and asked > bound:
            beyond.append(Problem("API046", f"/{name}", f"{asked} is more than the {bound} that a task may have."))
    if beyond:
        lines = " ".join(found.message for found in beyond)
        raise RequestRefused("API046", f"{lines} No token was issued.", problems=tuple(beyond))
    nodes = most.token_nodes if form.nodes is None else form.nodes
    operations = most.token_operations if form.operations is None else form.operations
    # Biscuit's dates are whole seconds.
    return Limits(wanted, nodes, operations, Millis((now + most.token_ttl_ms) // 1_000 * 1_000))


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _issued(text: str, grant: Grant, limits: Limits) -> IssuedEditToken:
    frame, node = split_token(grant.token)
    assert limits.nodes is not None
    assert limits.operations is not None
    assert limits.until is not None
    types = tuple(sorted(limits.types or ()))
    return IssuedEditToken(
        text, grant.run_id, node, frame, grant.attempt, types, limits.nodes, limits.operations, limits.until
    )
