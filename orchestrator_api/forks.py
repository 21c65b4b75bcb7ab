"""Rerun and fork: new runs that go on from where others were."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, Form, decoded, filled, parsed_form, read_body, read_optional, refusal
from orchestrator_api.commands import confirm, not_in_redis
from orchestrator_api.deps import Api, Services
from orchestrator_api.forking import ForkOrder, fork_run, starting
from orchestrator_api.idempotency import keyed, mark, once
from orchestrator_api.ids import keyed_run_id
from orchestrator_api.paths import RunPath
from orchestrator_api.reading import found
from orchestrator_api.view import ForkView, fork_view
from pointsman.base.errors import Problem, RunError, RunNotFound
from pointsman.base.ids import FrameId, Millis, NodeId, RunId, Tip, TokenId, split_token
from pointsman.edit.activations import activations, failed_for_good
from pointsman.execute import Origin, stored
from pointsman.ports.run_index import RunRow
from pointsman.protocol.output import Output, output_of
from pointsman.protocol.signal import Redrive
from pointsman.protocol.state import FINAL, RunStatus

router = APIRouter(prefix="/api/v1/runs", tags=["forks"])

_RUN_ID: Final = Field(
    default=None, pattern=r"^[A-Za-z0-9._-]{1,128}$", description="The new run's id; made up unless given."
)
_ANY: Final = WithJsonSchema({})


class ForkForm(Form):
    """From where to go on: a node, or an event. And what shall be otherwise there."""

    from_node: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Done anew, with all that comes of it."
    )
    frame: str | None = Field(
        default=None,
        max_length=1_000,
        description="With `from_node` in a loop: the pass, such as `polish[2]`; its latest unless given.",
    )
    seq: int | None = Field(default=None, ge=1, le=2**53, description="The last event of which history is kept.")
    payload: Annotated[Any, _ANY] = Field(
        default=None, description="With `from_node`: what its worker is handed in place of what fired it, any JSON."
    )
    input: Annotated[Any, _ANY] = Field(
        default=None, description="Another input of the run, any JSON, where none of its work is kept."
    )
    operations: list[dict[str, Any]] = Field(
        default=[], description="RFC 6902 on the definition as it was then: what is kept must hold with it."
    )
    reason: str = Field(default="", max_length=1_000, description="Why; it is kept with the new run.")
    run_id: str | None = _RUN_ID


class RetryForm(Form):
    """What may be said with a retry."""

    reason: str = Field(default="", max_length=1_000, description="Why; it is kept with the run.")
    run_id: str | None = _RUN_ID


class ForkedRun(msgspec.Struct, frozen=True):
    """A fork that was accepted: it is in Postgres, and will run, whatever dies next."""

    run_id: RunId
    workflow: str
    version: int | None
    status: RunStatus
    created_at: Millis
    forked_from: ForkView


class RedrivenNode(msgspec.Struct, frozen=True):
    """A node that has another attempt."""

    node: NodeId
    frame: FrameId
    attempt: int


class RetriedRun(msgspec.Struct, frozen=True):
    """An open run whose parked nodes were handed out again; it is durable."""

    run_id: RunId
    seq: int
    redriven: tuple[RedrivenNode, ...]


@router.post(
    "/{run_id}/fork",
    status_code=201,
    summary="Fork a run",
    responses={201: gives(ForkedRun, "Accepted: the new run is in Postgres and goes on from there.")},
    openapi_extra=takes(
        ForkForm,
        {
            "from a node": {"from_node": "score", "reason": "the model was down"},
            "with another prompt": {
                "from_node": "score",
                "operations": [{"op": "replace", "path": "/nodes/score/config/prompt", "value": "Be strict."}],
            },
            "from an event": {"seq": 12},
        },
    ),
)
async def fork(run_id: RunPath, request: Request, services: Api) -> Response:
    """Begin a new run with the history of this one, open or final, up to an event or without what follows from a node.
    What is kept is not done again; this run stays as it is."""
    body = await read_body(request, JSON)
    form, given = _form(body)
    await found(services, run_id)
    wanted = _wanted_id(request, body, form.run_id)

    async def carry_out() -> Response:
        origin = await starting(services).origin(run_id, form.seq)
        anew = _anew(origin, form)
        order = ForkOrder(
            request.state.caller,
            form.reason,
            anew,
            dict.fromkeys(anew, await _stored(services, given["payload"])) if "payload" in given else {},
            wanted,
            tuple(form.operations),
            mark(request, body),
            await _stored(services, given["input"]) if "input" in given else None,
        )
        return _forked(await fork_run(services, origin, order))

    return await once(services, request, body, carry_out)


@router.post(
    "/{run_id}/retry",
    status_code=201,
    summary="Retry what failed",
    responses={
        200: gives(RetriedRun, "The run is open: its parked nodes were handed out again, in place."),
        201: gives(ForkedRun, "The run is final, which stays so: a new one goes on from the nodes that failed."),
    },
    openapi_extra=takes(RetryForm, {"with a reason": {"reason": "the bank is open"}}, required=False),
)
async def retry(run_id: RunPath, request: Request, services: Api) -> Response:
    """Do again what failed, or was cut off when the run was cancelled or took too long; what was done is kept."""
    body = await read_optional(request)
    form = parsed_form(RetryForm, body)
    row = await found(services, run_id)
    wanted = _wanted_id(request, body, form.run_id)

    async def carry_out() -> Response:
        if row.status not in FINAL:
            return answer(await _redriven(services, run_id, form, request.state.caller))
        origin = await starting(services).origin(run_id)
        told = mark(request, body)
        order = ForkOrder(request.state.caller, form.reason, _failed(origin), run_id=wanted, request=told)
        return _forked(await fork_run(services, origin, order))

    return await once(services, request, body, carry_out)


def _form(body: bytes) -> tuple[ForkForm, dict[str, bytes]]:
    """The form, and of `payload` and `input` those that were given, as the bytes they are."""
    members = decoded(body, dict[str, msgspec.Raw])
    given = {name: bytes(members.pop(name)) for name in ("payload", "input") if name in members}
    form = filled(ForkForm, {name: decoded(bytes(member)) for name, member in members.items()})
    if (form.from_node is None) == (form.seq is None):
        raise refusal(Problem("API006", "", "send either `from_node` or `seq`."))
    for name, is_there in (("frame", form.frame is not None), ("payload", "payload" in given)):
        if is_there and form.from_node is None:
            raise refusal(Problem("API006", f"/{name}", f"`{name}` goes with `from_node`."))
    return form, given


def _wanted_id(request: Request, body: bytes, run_id: str | None) -> RunId | None:
    """The new run's id: a request with a key makes one run, whoever dies over it."""
    key = keyed(request, body)
    return RunId(run_id) if run_id is not None else keyed_run_id(key) if key is not None else None


async def _stored(services: Services, given: bytes) -> Output:
    return await stored(output_of(given), services.blobs, services.settings.coordinator.inline_limit_bytes)


def _forked(row: RunRow) -> Response:
    assert row.forked is not None
    told = ForkedRun(row.run_id, row.workflow, row.version, row.status, row.created_at, fork_view(row.forked))
    return answer(told, 201, {"Location": f"/api/v1/runs/{row.run_id}"})


def _anew(origin: Origin, form: ForkForm) -> tuple[TokenId, ...]:
    """The activation to go on from; none where an event says from where."""
    if form.from_node is None:
        return ()
    node, run = NodeId(form.from_node), origin.run.head.run_id
    known = activations(origin.plan, origin.events).get(node, [])
    token = next((token for token in reversed(known) if form.frame in (None, split_token(token)[0])), None)
    if token is None:
        where = f" in {form.frame}" if form.frame else ""
        raise RunError(
            "RUN042",
            f"run {run} never came to node `{node}`{where}, so there is nothing of it to do anew; nothing was started. "
            "Name a node that was activated, or an event.",
        )
    return (token,)


def _failed(origin: Origin) -> tuple[TokenId, ...]:
    """The activations that a retry does anew; none where the run was cut off, and what was open then goes on."""
    head = origin.run.head
    if head.status in ("CANCELLED", "TIMED_OUT"):
        return ()
    failed = failed_for_good(origin.plan, origin.events)
    if failed:
        return failed
    why = f" ({head.error.message or head.error.type})" if head.error is not None else ""
    raise _nothing_failed(head.run_id, f"is {head.status}{why}, and no node of it failed")


async def _redriven(services: Services, run_id: RunId, form: RetryForm, by: str) -> RetriedRun:
    """Hand the parked nodes of an open run out again."""
    executor = services.live.executor
    try:
        run, redriven, seq, tip = await executor.load(run_id), list[RedrivenNode](), 0, Tip("")
        for token, state in sorted(run.tokens.items()):
            if state.state == "parked":
                verdict = await executor.command(Redrive(run_id, token, state.attempt, None, by, form.reason))
                if verdict.changed:
                    frame, node = split_token(token)
                    redriven.append(RedrivenNode(node, frame, state.attempt + 1))
                    seq, tip = verdict.seq, verdict.tip
    except RunNotFound:
        raise await not_in_redis(services, run_id) from None
    if not redriven:
        raise _nothing_failed(run_id, f"is {run.head.status}, and no task of it is parked")
    await confirm(services, run_id, seq, tip)
    return RetriedRun(run_id, seq, tuple(redriven))


def _nothing_failed(run_id: RunId, what: str) -> RunError:
    return RunError(
        "RUN041", f"run {run_id} {what}: there is nothing to retry, and nothing was changed. Fork it to do parts again."
    )
