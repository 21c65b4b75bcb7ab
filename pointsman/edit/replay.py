"""Replay: a run's history, stepped again from its start on another plan (SEMANTICS §8).

The marking it ends in is the run's state under that plan. Recorded signals are facts: timers that fired, failures,
lost workers and commands are taken as they came, whatever due times a replay would compute.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from pointsman.base.errors import RunError, SignalRejected
from pointsman.base.ids import Digest, Tip, TokenId
from pointsman.edit.passes import assume_pass
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.output import EMPTY
from pointsman.protocol.signal import Completed, Continue, Failed, Pause, Resume, Signal, TimerFired, WorkerLost
from pointsman.protocol.state import RunHead, Snapshot, Timer
from pointsman.protocol.task import decode_task
from pointsman.protocol.transition import Transition
from pointsman.step import Program, advance, opened_by, start, step


class Activation(msgspec.Struct, frozen=True):
    """A task as it was first dispatched: what an edit must not change about it."""

    at: int
    """How many records had been replayed."""
    type: str
    config: bytes
    origin: tuple[str | None, bytes, str | None]
    """From which node it came, and with what payload, inline or by reference."""


class Replayed:
    """Where a replay ended, and what it dispatched on the way."""

    def __init__(self, state: Snapshot) -> None:
        self.state = state
        self.activations: dict[TokenId, Activation] = {}
        self.lost: list[HistoryRecord] = []
        """Records that would have changed nothing on this plan."""

    def note_dispatches(self, change: Transition, at: int) -> None:
        """Remember tasks that this transition put out for the first time."""
        for dispatch in change.dispatches:
            if dispatch.token not in self.activations:
                task = decode_task(dispatch.body)
                config = msgspec.json.encode(task.config, order="sorted")
                origin = (task.from_node, bytes(task.payload), task.payload_ref)
                self.activations[dispatch.token] = Activation(at, task.type, config, origin)


def replay(program: Program, run: Snapshot, history: Sequence[HistoryRecord]) -> Replayed:
    """Step the history of `run` on `program`, from the run's start.

    Raises:
        OutputsNeeded: It reads outputs that are not in `run.blobs`.
    """
    first = start(program, _unstarted(run.head), run.head.created_at, run.blobs)
    done = Replayed(opened_by(first, Tip("0")))
    done.state.blobs = run.blobs
    done.note_dispatches(first, 0)
    for number, record in enumerate(history, 1):
        # A timer's generation is the seq that armed it, so each record is stepped at its own seq.
        done.state.head.seq = record.seq - 1
        change = _again(program, done.state, record, run)
        if change is None or (change.is_empty and not _is_optional(record)):
            done.lost.append(record)
        else:
            advance(done.state, change, Tip(str(number)))
            done.note_dispatches(change, number)
    return done


def _unstarted(head: RunHead) -> RunHead:
    return RunHead(
        head.run_id,
        head.workflow,
        Digest(""),
        Digest(""),
        head.engine,
        head.created_at,
        input=head.input,
        metadata=head.metadata,
    )


def _again(program: Program, state: Snapshot, record: HistoryRecord, run: Snapshot) -> Transition | None:
    """One record, taken again; None where this plan has no place for it."""
    if state.is_final:
        return None
    try:
        if isinstance(record.fact, EndedPass):
            return assume_pass(program, state, record.fact, run, record.at)
        return step(program, state, _as_it_was(record, record.fact, state, run), record.at)
    except (RunError, SignalRejected):
        return None


def _as_it_was(record: HistoryRecord, signal: Signal, state: Snapshot, run: Snapshot) -> Signal:
    """The signal as it came: its output out of the results.

    Facts that no plan can deny: a timer that fired, armed by this plan or not, and the number an attempt had.
    """
    token = state.tokens.get(record.token) if record.token is not None else None
    if record.token is not None and token is not None and isinstance(signal, Completed | Failed | WorkerLost):
        state.tokens[record.token] = replace(token, attempt=max(token.attempt, signal.attempt))
    if isinstance(signal, TimerFired):
        due = Timer(signal.generation, record.at)
        if record.token is None:
            state.head.timer = due
        elif token is not None:
            state.tokens[record.token] = replace(token, timers={**token.timers, signal.timer: due})
    if isinstance(signal, Completed) and record.token is not None:
        result = run.results.get(record.token)
        return replace(signal, output=result.output if result is not None else EMPTY)
    return signal


def _is_optional(record: HistoryRecord) -> bool:
    """Whether a record may change nothing on another plan without anything being lost: it reports no work."""
    return isinstance(record.fact, Continue | Pause | Resume)
