"""Commands to a run: pause, resume, cancel. Answered with 200 once they are durable."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, gives, takes
from orchestrator_api.bodies import Form, parsed_form, read_optional
from orchestrator_api.deps import Api, Services
from orchestrator_api.idempotency import NotConfirmed, once
from orchestrator_api.paths import RunPath
from orchestrator_api.problems import problem
from orchestrator_api.reading import found
from pointsman.base.errors import RunClosed, RunError, RunNotFound, ServerUnavailable
from pointsman.base.ids import RunId, Tip
from pointsman.execute.repair import Repair
from pointsman.protocol.signal import Cancel, Pause, Resume
from pointsman.protocol.state import FINAL, RunStatus

router = APIRouter(prefix="/api/v1/runs", tags=["commands"])

DURABLE_S: Final = 10.0
"""How long a command waits for the journal to pass it."""
Command: TypeAlias = type[Pause] | type[Resume] | type[Cancel]
_LEADS_TO: Final[dict[Command, RunStatus]] = {Pause: "PAUSED", Resume: "RUNNING", Cancel: "CANCELLED"}


class CommandForm(Form):
    """What may be said with a command."""

    reason: str = Field(default="", max_length=1_000, description="Why; it is kept in the run's history.")


class CommandDone(msgspec.Struct, frozen=True):
    """What a command did; it is durable."""

    run_id: RunId
    status: RunStatus
    """The run's status at `seq`."""
    seq: int
    changed: bool
    """False where there was nothing to change."""
    reason: str
    """Why nothing was changed: already_paused, not_paused; empty otherwise."""


def _told(text: str) -> dict[str, Any]:
    """What the OpenAPI document says of all three alike."""
    shown = takes(CommandForm, {"with a reason": {"reason": "the mail server is down"}}, required=False)
    return {"responses": {200: gives(CommandDone, text)}, "openapi_extra": shown}


@router.post("/{run_id}/pause", summary="Pause a run", **_told("Paused: nothing new is dispatched."))
async def pause(run_id: RunPath, request: Request, services: Api) -> Response:
    """Results of running tasks are taken and kept, timers keep the time they have left; nothing new is dispatched."""
    return await _command(services, request, run_id, Pause)


@router.post("/{run_id}/resume", summary="Resume a run", **_told("Running: what was held is dispatched."))
async def resume(run_id: RunPath, request: Request, services: Api) -> Response:
    """Dispatch what was held while the run was paused."""
    return await _command(services, request, run_id, Resume)


@router.post("/{run_id}/cancel", summary="Cancel a run", **_told("Cancelled, which is final."))
async def cancel(run_id: RunPath, request: Request, services: Api) -> Response:
    """Close every open task and end the run; results that come in later change nothing."""
    return await _command(services, request, run_id, Cancel)


@router.post("/{run_id}/repair", summary="Rebuild a run from its journal", **_told("Rebuilt, and going on."))
async def repair(run_id: RunPath, request: Request, services: Api) -> Response:
    """For a run that is stuck: what Redis has of it gives way to what the journal has.

    Tasks that were out go out once more, as another attempt each; timers run on with the time they have left."""
    body = await read_optional(request)
    parsed_form(CommandForm, body)
    await must_be_open(services, run_id)

    async def carry_out() -> Response:
        live, records = services.live, services.records
        executor, limit = live.executor, services.settings.coordinator.inline_limit_bytes
        repair = Repair(live.store, live.repairs(run_id), records.open_runs, records.documents, executor.blobs, limit)
        made = await repair.repair(run_id)
        seq = made.transition.seq
        await confirm(services, run_id, seq, made.tip)
        found = (await live.store.load([run_id])).get(run_id)
        return answer(CommandDone(run_id, found.head.status if found else "RUNNING", seq, True, ""))

    return await once(services, request, body, carry_out)


async def _command(services: Services, request: Request, run_id: RunId, command: Command) -> Response:
    body = await read_optional(request)
    form = parsed_form(CommandForm, body)
    await must_be_open(services, run_id)
    signal = command(run_id, by=request.state.caller, reason=form.reason)

    async def carry_out() -> Response:
        try:
            verdict = await services.live.executor.command(signal)
        except RunNotFound:
            raise await not_in_redis(services, run_id) from None
        await confirm(services, run_id, verdict.seq, verdict.tip)
        return answer(CommandDone(run_id, _LEADS_TO[command], verdict.seq, verdict.changed, verdict.reason))

    return await once(services, request, body, carry_out)


async def must_be_open(services: Services, run_id: RunId) -> None:
    """Raise `RunNotFound` RUN005 for a run that never was, `RunClosed` RUN004 for one that is final."""
    row = await found(services, run_id)
    if row.status in FINAL:
        raise closed(run_id, row.status)


async def not_in_redis(services: Services, run_id: RunId) -> RunError:
    """Why an accepted run is not in Redis: it has ended meanwhile, or is not there yet."""
    row = await found(services, run_id)
    if row.status in FINAL:
        return closed(run_id, row.status)
    return RunError(
        "RUN006",
        f"run {run_id} is accepted, and Redis does not hold it at the moment; nothing was changed. It is started or "
        "recovered without your help: try again in a moment.",
    )


def closed(run_id: RunId, status: RunStatus) -> RunClosed:
    """The refusal of anything that would change a final run."""
    return RunClosed("RUN004", f"run {run_id} is {status}, which is final; nothing was changed. Start a new run.")


async def confirm(services: Services, run_id: RunId, seq: int, tip: Tip) -> None:
    """Wait until what a request did, which left the run at `tip`, is durable.

    Raises:
        NotConfirmed: It was done, and the journal has not passed it in time.
        ServerUnavailable: SRV061, Redis lost it before the journal had it.
    """
    confirmation = await services.records.watch.confirm(run_id, seq, tip, DURABLE_S)
    if confirmation == "lost":
        raise lost(run_id, seq)
    if confirmation == "late":
        told = (
            f"run {run_id} was changed, as its event {seq}, but the journal has not passed that within "
            f"{DURABLE_S:g} s: it would be lost with Redis. See that a supervisor is running; do not send the request "
            "again, but look at the run."
        )
        raise NotConfirmed(problem("API016", told))


def lost(run_id: RunId, seq: int) -> ServerUnavailable:
    """The answer where Redis has taken a change, and lost it."""
    return ServerUnavailable(
        "SRV061",
        f"run {run_id} was changed, as its event {seq}, and Redis lost that before the journal had it: the run goes on "
        "as if nothing had been changed. Try again.",
    )
