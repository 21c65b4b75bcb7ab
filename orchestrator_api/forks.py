"""Rerun and fork: new runs that go on from where others were."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import JSON, Form, parsed_form, read_body, refusal
from orchestrator_api.deps import Api
from orchestrator_api.forking import ForkOrder, fork_run, starting
from orchestrator_api.idempotency import keyed, once
from orchestrator_api.ids import keyed_run_id
from orchestrator_api.paths import RunPath
from orchestrator_api.reading import found
from orchestrator_api.view import ForkView, fork_view
from pointsman.base.errors import Problem, RunError
from pointsman.base.ids import Millis, NodeId, RunId, TokenId, split_token
from pointsman.edit.activations import activations
from pointsman.execute import Origin
from pointsman.ports.run_index import RunRow
from pointsman.protocol.state import RunStatus

router = APIRouter(prefix="/api/v1/runs", tags=["forks"])


class ForkForm(Form):
    """From where to go on: a node, or an event."""

    from_node: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Done anew, with all that comes of it."
    )
    frame: str | None = Field(
        default=None,
        max_length=1_000,
        description="With `from_node` in a loop: the pass, such as `polish[2]`; its latest unless given.",
    )
    seq: int | None = Field(default=None, ge=1, le=2**53, description="The last event of which history is kept.")
    reason: str = Field(default="", max_length=1_000, description="Why; it is kept with the new run.")
    run_id: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9._-]{1,128}$", description="The new run's id; made up unless given."
    )


class ForkedRun(msgspec.Struct, frozen=True):
    """A fork that was accepted: it is in Postgres, and will run, whatever dies next."""

    run_id: RunId
    workflow: str
    version: int | None
    status: RunStatus
    created_at: Millis
    forked_from: ForkView


@router.post(
    "/{run_id}/fork",
    status_code=201,
    summary="Fork a run",
    responses={201: gives(ForkedRun, "Accepted: the new run is in Postgres and goes on from there.")},
    openapi_extra=takes(
        ForkForm, {"from a node": {"from_node": "score", "reason": "a better prompt"}, "from an event": {"seq": 12}}
    ),
)
async def fork(run_id: RunPath, request: Request, services: Api) -> Response:
    """Begin a new run with the history of this one, open or final, up to an event or without what follows from a node.
    What is kept is not done again; this run stays as it is."""
    body = await read_body(request, JSON)
    form = parsed_form(ForkForm, body)
    if (form.from_node is None) == (form.seq is None):
        raise refusal(Problem("API006", "", "send either `from_node` or `seq`."))
    if form.frame is not None and form.from_node is None:
        raise refusal(Problem("API006", "/frame", "`frame` goes with `from_node`."))
    await found(services, run_id)
    key = keyed(request, body)
    wanted = RunId(form.run_id) if form.run_id else keyed_run_id(key) if key else None

    async def carry_out() -> Response:
        origin = await starting(services).origin(run_id, form.seq)
        anew = _anew(origin, form)
        row = await fork_run(services, origin, ForkOrder(request.state.caller, form.reason, anew, run_id=wanted))
        return forked(row)

    return await once(services, request, body, carry_out)


def forked(row: RunRow) -> Response:
    """The answer that tells of a fork."""
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
