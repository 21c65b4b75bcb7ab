"""The whole story of a dead letter: each failure on the way, out of the journal, and what its worker was handed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import msgspec

from orchestrator_api.deps import DeadLetter, Services
from orchestrator_api.view import MAX_COMPOSED, shown
from pointsman.base.ids import FrameId, Millis, NodeId, RunId, Tip, TokenId, split_token
from pointsman.ports.dead_letters import LetterStatus
from pointsman.protocol.dead_letter import DeadLetterKind
from pointsman.protocol.signal import WorkerLost
from pointsman.protocol.state import RunStatus, Snapshot
from pointsman.protocol.transition import Transition, decode_event
from pointsman.step import Program, advance, opened_by
from pointsman.step.handed_out import input_of

_PAGE: Final = 500
_NULL: Final = msgspec.Raw(b"null")


class FailedAttempt(msgspec.Struct, frozen=True):
    """One failure on the way."""

    attempt: int
    at: Millis
    type: str
    message: str


class Decided(msgspec.Struct, frozen=True):
    """What became of a letter."""

    at: Millis
    by: str
    """Empty where nobody decided: its run went on."""
    reason: str
    """As given; where nobody decided, what the run went on with."""
    edited: bool
    """Whether another input was given."""
    run_id: RunId | None
    """The run in which it was redriven, where its own was final."""


class LetterView(msgspec.Struct, frozen=True):
    """A dead letter with everything that is known of it. Times are Unix milliseconds."""

    id: str
    kind: DeadLetterKind
    status: LetterStatus
    at: Millis
    run_id: RunId | None
    workflow: str | None
    run_status: RunStatus | None
    """Of its run as it is now; null where there is none."""
    node: NodeId | None
    frame: FrameId | None
    """The pass of a loop: `polish[2]`; empty outside loops."""
    type: str | None
    seq: int | None
    """Of the event with which the node failed."""
    attempt: int | None
    attempts: tuple[FailedAttempt, ...]
    """Every failure of it, in order; the last is the letter's own."""
    parked: bool
    code: str
    message: str
    input: msgspec.Raw
    """The payload that its worker was handed; `{"$ref": "blob://…"}` where that lives in the blob store."""
    signal: str | None
    """A signal that was set aside, as it came."""
    signal_length: int | None
    """Its length in bytes; `signal` may hold the beginning only."""
    decided: Decided | None


async def story(services: Services, letter: DeadLetter) -> LetterView:
    """Put it together."""
    told = await _told(services, letter)
    return LetterView(
        id=letter.id,
        kind=letter.kind,
        status=letter.status,
        at=letter.at,
        run_id=letter.run_id,
        workflow=letter.workflow,
        run_status=await _status(services, letter),
        node=letter.node,
        frame=split_token(letter.token)[0] if letter.token is not None else None,
        type=letter.type,
        seq=letter.seq,
        attempt=letter.attempt,
        attempts=told.attempts,
        parked=letter.is_parked and letter.status == "open",
        code=letter.code,
        message=letter.message,
        input=told.input,
        signal=letter.signal.decode(errors="replace") if letter.signal is not None else None,
        signal_length=letter.signal_length,
        decided=_decided(letter),
    )


class _Told(msgspec.Struct):
    attempts: tuple[FailedAttempt, ...] = ()
    input: msgspec.Raw = _NULL


async def _told(services: Services, letter: DeadLetter) -> _Told:
    """What the journal tells of a node's letter; nothing of a signal's."""
    if letter.run_id is None or letter.token is None or letter.seq is None:
        return _Told()
    run: Snapshot | None = None
    attempts: list[FailedAttempt] = []
    async for change, tip in _changes(services, letter.run_id, letter.seq):
        attempts += _failures(change, letter.token)
        if run is None:
            run = opened_by(change, tip)
        elif change.seq < letter.seq:
            advance(run, change, tip)
    attempts.append(FailedAttempt(letter.attempt or 0, letter.at, letter.code, letter.message))
    return _Told(tuple(attempts), await _input(services, run, letter.token) if run is not None else _NULL)


async def _changes(services: Services, run_id: RunId, until: int) -> AsyncIterator[tuple[Transition, Tip]]:
    """A run's transitions up to one of them."""
    after = 0
    while after < until and (page := await services.records.journal.events(run_id, after, min(_PAGE, until - after))):
        for event in page:
            yield decode_event(event.body), event.tip
        after = page[-1].seq


def _failures(change: Transition, token: TokenId) -> Iterator[FailedAttempt]:
    """A failure of the token after which it was tried again."""
    state = change.opened.get(token)
    if state is not None and state.state == "backing_off" and state.error is not None:
        yield FailedAttempt(state.attempt - 1, change.at, state.error.type, state.error.message)
    elif state is not None and isinstance(change.signal, WorkerLost) and change.signal.token == token:
        yield FailedAttempt(change.signal.attempt, change.at, "worker_lost", f"its worker {change.signal.worker} died")


async def _input(services: Services, run: Snapshot, token: TokenId) -> msgspec.Raw:
    plan = (await services.records.plans.get(run.head.plan)).plan
    payload = input_of(Program(plan, services.compiler.engine), run, token)
    if payload is None or len(bytes(payload.data)) > MAX_COMPOSED:
        return _NULL
    return shown(payload)


async def _status(services: Services, letter: DeadLetter) -> RunStatus | None:
    row = await services.records.runs.get(letter.run_id) if letter.run_id is not None else None
    return row.status if row is not None else None


def _decided(letter: DeadLetter) -> Decided | None:
    if letter.decided_at is None:
        return None
    return Decided(letter.decided_at, letter.decided_by or "", letter.reason or "", letter.is_edited, letter.became)
