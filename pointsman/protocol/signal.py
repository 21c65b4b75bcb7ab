"""Signals: what a worker, a timer, a person or the supervisor reports to a run (stage 7).

On the wire every signal is one JSON object (`WireSignal`, ARCHITECTURE §6). Inside, each kind is a type of its own, so
that a `match` over them ends in `assert_never`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from pointsman.base.errors import SignalRejected
from pointsman.base.ids import JobId, NodeId, RunId, TimerId, TokenId, split_job
from pointsman.protocol.output import EMPTY, NOTHING, Output, output_of

Status = Literal["completed", "failed", "timer", "worker_lost", "task_lost", "continue"]


class Completed(msgspec.Struct, frozen=True, tag="completed", omit_defaults=True):
    """A worker finished an attempt. `token` is None where the worker sent no job id; then `node` decides."""

    run_id: RunId
    token: TokenId | None
    attempt: int
    output: Output = EMPTY
    node: NodeId | None = None
    metadata: Any = None


class Failed(msgspec.Struct, frozen=True, tag="failed", omit_defaults=True):
    """A worker could not finish an attempt. `retryable` false ends the token's retries."""

    run_id: RunId
    token: TokenId | None
    attempt: int
    error_type: str = "error"
    message: str = ""
    retryable: bool = True
    node: NodeId | None = None
    metadata: Any = None
    retried: bool | None = None
    """Set in history: whether the attempt was tried again. Replay takes it as a fact, whatever the policy says."""


class TimerFired(msgspec.Struct, frozen=True, tag="timer", omit_defaults=True):
    """A timer came due. It counts only if `(timer, generation)` is the run's current one."""

    run_id: RunId
    timer: TimerId
    generation: int
    retried: bool | None = None
    """As in `Failed`."""


class WorkerLost(msgspec.Struct, frozen=True, tag="worker_lost", omit_defaults=True):
    """A registered worker died holding an attempt."""

    run_id: RunId
    token: TokenId
    attempt: int
    worker: str = ""
    retried: bool | None = None
    """As in `Failed`."""


class TaskLost(msgspec.Struct, frozen=True, tag="task_lost", omit_defaults=True):
    """An attempt is out, and its task is on no stream: somebody deleted or trimmed it."""

    run_id: RunId
    token: TokenId
    attempt: int


class Continue(msgspec.Struct, frozen=True, tag="continue", omit_defaults=True):
    """The run's own reminder that tokens wait to be dispatched (SEMANTICS §4: at most 256 a transition)."""

    run_id: RunId


class Pause(msgspec.Struct, frozen=True, tag="pause", omit_defaults=True):
    """Dispatch nothing new; keep what comes in."""

    run_id: RunId
    by: str = ""
    reason: str = ""


class Resume(msgspec.Struct, frozen=True, tag="resume", omit_defaults=True):
    """Dispatch what was held."""

    run_id: RunId
    by: str = ""
    reason: str = ""


class Cancel(msgspec.Struct, frozen=True, tag="cancel", omit_defaults=True):
    """Close every open token and end the run."""

    run_id: RunId
    by: str = ""
    reason: str = ""


class Redrive(msgspec.Struct, frozen=True, tag="redrive", omit_defaults=True):
    """Hand a parked token out again. It counts only if `attempt` is the one that the token was parked with."""

    run_id: RunId
    token: TokenId
    attempt: int
    payload: Output | None = None
    """What the worker is handed in place of what fired the node."""
    by: str = ""
    reason: str = ""


class Skip(msgspec.Struct, frozen=True, tag="skip", omit_defaults=True):
    """Give a parked token up: its node counts as skipped. `attempt` is as in `Redrive`."""

    run_id: RunId
    token: TokenId
    attempt: int
    by: str = ""
    reason: str = ""


Signal = Completed | Failed | TimerFired | WorkerLost | TaskLost | Continue | Pause | Resume | Cancel | Redrive | Skip


class WireSignal(msgspec.Struct, omit_defaults=True):
    """A signal as workers push it, any language. Unknown fields are ignored, for newer workers."""

    status: Status
    version: str = "1.0"
    job_id: str = ""
    run_id: str = ""
    node_id: str = ""
    result_data: msgspec.Raw = NOTHING
    result_ref: str | None = None
    metadata: Any = None
    timer: str = ""
    generation: int = 0
    worker: str = ""


CONTINUE_TIMER: Final = TimerId("continue")
"""On the clock it stands for a run's `continue` that was postponed."""

_DECODER = msgspec.json.Decoder(WireSignal)
_ENCODER = msgspec.json.Encoder()


def encode_wire(signal: WireSignal) -> bytes:
    """The JSON a worker pushes."""
    return _ENCODER.encode(signal)


def decode_signal(body: bytes) -> Signal:
    """Read one signal off the wire.

    Raises:
        SignalRejected: SIG001 not the JSON of a signal; SIG002 it names no run; SIG003 its job id is not one of ours.
    """
    try:
        # What is passed on undecoded must be text all the same: msgspec leaves the inside of `Raw` unread.
        body.decode()
        wire = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise SignalRejected("SIG001", f"a signal is not the JSON object of the wire contract: {wrong}") from wrong
    run_id, token, attempt = _addressee(wire)
    match wire.status:
        case "completed":
            return Completed(
                run_id,
                token,
                attempt,
                output_of(bytes(wire.result_data), wire.result_ref),
                NodeId(wire.node_id) or None,
                wire.metadata,
            )
        case "failed":
            return _failed(wire, run_id, token, attempt)
        case "timer":
            if wire.timer == CONTINUE_TIMER:
                return Continue(run_id)
            return TimerFired(run_id, TimerId(wire.timer), wire.generation)
        case "worker_lost":
            return WorkerLost(run_id, *_named(run_id, token, attempt, wire.status), wire.worker)
        case "task_lost":
            return TaskLost(run_id, *_named(run_id, token, attempt, wire.status))
        case "continue":
            return Continue(run_id)


def _named(run_id: RunId, token: TokenId | None, attempt: int, status: Status) -> tuple[TokenId, int]:
    if token is None:
        raise SignalRejected("SIG003", f"run {run_id}: a {status} signal must carry a job_id; it was set aside")
    return token, attempt


def _addressee(wire: WireSignal) -> tuple[RunId, TokenId | None, int]:
    if not wire.job_id:
        if not wire.run_id:
            raise SignalRejected("SIG002", "a signal names neither job_id nor run_id; it was set aside")
        return RunId(wire.run_id), None, 0
    job = split_job(JobId(wire.job_id))
    if job is None or (wire.run_id and wire.run_id != job[0]):
        raise SignalRejected(
            "SIG003",
            f"run {wire.run_id or '?'}: job_id {wire.job_id[:200]!r} is not one that was handed out for it; "
            "the signal was set aside. Send the token's job_id back unchanged.",
        )
    return job


def _failed(wire: WireSignal, run_id: RunId, token: TokenId | None, attempt: int) -> Failed:
    about = wire.metadata if isinstance(wire.metadata, dict) else {}
    return Failed(
        run_id,
        token,
        attempt,
        error_type=str(about.get("error_type") or "error"),
        message=str(about.get("error_message") or ""),
        retryable=about.get("retryable") is not False,
        node=NodeId(wire.node_id) or None,
        metadata=wire.metadata,
    )
