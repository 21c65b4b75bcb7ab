"""Replay: a run's history, stepped again from its start on another plan (SEMANTICS §8).

The marking it ends in is the run's state under that plan. Recorded signals are facts: timers that fired, failures,
lost workers and commands are taken as they came, whatever due times a replay would compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from pointsman.base.errors import RunError, SignalRejected
from pointsman.base.ids import Digest, Millis, Tip, TokenId, split_token
from pointsman.edit.passes import assume_pass, left_behind
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.signal import (
    Completed,
    Continue,
    Failed,
    Pause,
    Redrive,
    Resume,
    Signal,
    Skip,
    TaskLost,
    TimerFired,
    WorkerLost,
)
from pointsman.protocol.state import Result, RunHead, Snapshot, Timer
from pointsman.protocol.task import decode_task
from pointsman.protocol.transition import Transition
from pointsman.step import Program, advance, opened_by, start, step

_OF_ATTEMPTS: Final = (Completed, Failed, WorkerLost, TaskLost)


class Activation(msgspec.Struct, frozen=True):
    """A task as it was first dispatched: what an edit must not change about it."""

    at: int
    """How many records had been replayed."""
    since: Millis
    """When it was activated: while the run is paused, a task waits from then on."""
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
                since = self.state.tokens[dispatch.token].activated_at
                self.activations[dispatch.token] = Activation(at, since, task.type, config, origin)

    def forget_passes(self, ended: EndedPass) -> None:
        """Forget what was dispatched in passes up to one that ended: its record tells what came of them, not that."""
        passes = f"{ended.frame.rpartition('[')[0]}["
        self.activations = {token: how for token, how in self.activations.items() if not token.startswith(passes)}

    def copy(self) -> Replayed:
        """The same, to go on from while this one stays."""
        state = self.state
        joins = {token: dict(edges) for token, edges in state.joins.items()}
        made = Replayed(
            Snapshot(replace(state.head), dict(state.tokens), dict(state.results), joins, dict(state.frames))
        )
        made.activations, made.lost = dict(self.activations), list(self.lost)
        return made


class Replay:
    """A run's history, stepped on one plan from the run's start.

    Asked again when the run has moved on, it steps only what has come in since, from the last moment that is still as
    it was: the records of ended passes give way to others.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._done: Replayed | None = None
        self._taken: list[_Fact] = []
        """What `_done` has taken, in order."""
        self._firm: tuple[int, Replayed] | None = None
        """Where it stood, and after how many records, before the first one that can give way to another."""

    def of(self, run: Snapshot, history: Sequence[HistoryRecord]) -> Replayed:
        """Where `history` leads on the plan. The answer is good until the next question.

        Raises:
            OutputsNeeded: It reads outputs that are not in `run.blobs`.
        """
        facts = [_Fact(record, _told_besides(self.program, record, run)) for record in history]
        done = self._resumed(facts, run)
        done.state.blobs = run.blobs
        for number in range(len(self._taken), len(facts)):
            if self._firm is None and not _is_firm(facts[number].record):
                self._firm = number, done.copy()
            self._take(done, number + 1, facts[number], run)
        return done

    def _resumed(self, facts: Sequence[_Fact], run: Snapshot) -> Replayed:
        same = next(
            (at for at, (one, two) in enumerate(zip(self._taken, facts, strict=False)) if one != two), len(self._taken)
        )
        if self._done is not None and same == len(self._taken) <= len(facts):
            return self._done
        self._taken = []
        if self._firm is not None and self._firm[0] <= same and self._firm[0] <= len(facts):
            self._taken, self._done = list(facts[: self._firm[0]]), self._firm[1].copy()
            return self._done
        self._firm = None
        first = start(self.program, _unstarted(run.head), run.head.created_at, run.blobs)
        self._done = Replayed(opened_by(first, Tip("0")))
        self._done.note_dispatches(first, 0)
        return self._done

    def _take(self, done: Replayed, number: int, fact: _Fact, run: Snapshot) -> None:
        # A timer's generation is the seq that armed it, so each record is stepped at its own seq.
        done.state.head.seq = fact.record.seq - 1
        change = _again(self.program, done.state, fact.record, run)
        if change is None or (change.is_empty and not _is_optional(fact.record)):
            done.lost.append(fact.record)
        else:
            advance(done.state, change, Tip(str(number)))
            if isinstance(fact.record.fact, EndedPass):
                done.forget_passes(fact.record.fact)
            done.note_dispatches(change, number)
        self._taken.append(fact)


class _Fact(NamedTuple):
    """A record, and what its replay takes from the run besides."""

    record: HistoryRecord
    told: object


def _told_besides(program: Program, record: HistoryRecord, run: Snapshot) -> object:
    """The output of what completed; what a pass that ended left behind."""
    if isinstance(record.fact, EndedPass):
        return left_behind(program, record.fact, run)
    return run.results.get(record.token) if isinstance(record.fact, Completed) and record.token is not None else None


def _is_firm(record: HistoryRecord) -> bool:
    """Whether a record stays as long as its run has this plan: those of passes go when the pass ends."""
    return not isinstance(record.fact, EndedPass) and (record.token is None or not split_token(record.token)[0])


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
    if record.token is not None and token is not None and isinstance(signal, _OF_ATTEMPTS):
        state.tokens[record.token] = replace(token, attempt=max(token.attempt, signal.attempt))
    if isinstance(signal, TimerFired):
        due = Timer(signal.generation, record.at)
        if record.token is None:
            state.head.timer = due
        elif token is not None:
            state.tokens[record.token] = replace(token, timers={**token.timers, signal.timer: due})
    if isinstance(signal, Redrive | Skip) and token is not None:
        # That it was parked is a fact as well: what made it fail then may not make it fail now.
        state.tokens[signal.token] = replace(token, state="parked", attempt=signal.attempt)
    if isinstance(signal, Completed) and record.token is not None:
        return _completed(signal, run.results.get(record.token))
    return signal


def _completed(signal: Completed, result: Result | None) -> Completed | Failed:
    """The completion with its output; where a later attempt, or a skip, has taken its place, the failure it led to."""
    if result is None:
        return signal
    if signal.token is not None and (result.attempt != signal.attempt or result.status == "skipped"):
        return Failed(signal.run_id, signal.token, signal.attempt, "condition_error", retried=False, node=signal.node)
    return replace(signal, output=result.output)


def _is_optional(record: HistoryRecord) -> bool:
    """Whether a record may change nothing on another plan without anything being lost: it reports no work."""
    return isinstance(record.fact, Continue | Pause | Resume)
