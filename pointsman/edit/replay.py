"""Replay: a run's history, stepped again from its start on another plan (SEMANTICS §8).

The marking it ends in is the run's state under that plan. Recorded signals are facts: timers that fired, failures,
lost workers and commands are taken as they came, whatever due times a replay would compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from pointsman.base.errors import RunError, SignalRejected
from pointsman.base.ids import Digest, NodeId, Tip, TokenId, split_token
from pointsman.edit.footprint import (
    Activation,
    Beginning,
    Fact,
    Move,
    Seen,
    apart,
    comparable,
    differing,
    head_of,
    holds,
    watched_program,
    watched_state,
)
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


class Replayed:
    """Where a replay stands, and what it did on the way."""

    def __init__(self, state: Snapshot, different: Iterable[str] = ()) -> None:
        self.state = state
        self.activations: dict[TokenId, Activation] = {}
        self.lost: list[HistoryRecord] = []
        """Records that would have changed nothing on this plan."""
        self.moves: list[Move] = []
        self.followed: list[Move] = []
        """Those of the replay beside this one, record by record."""
        self.different = set(different)
        """Names of what is different between the two, or may be."""

    def go_on(self, move: Move) -> None:
        """Move on by a record."""
        self.moves.append(move)
        if move.change is None:
            self.lost.append(move.fact.record)
            return
        advance(self.state, move.change, Tip(str(len(self.moves))))
        if isinstance(move.fact.record.fact, EndedPass):
            self._forget_passes(move.fact.record.fact)
        for token, activation in move.dispatched:
            self.activations.setdefault(token, activation)

    def _forget_passes(self, ended: EndedPass) -> None:
        """Forget what was dispatched in passes up to one that ended: its record tells what came of them, not that."""
        passes = f"{ended.frame.rpartition('[')[0]}["
        self.activations = {token: how for token, how in self.activations.items() if not token.startswith(passes)}

    def copy(self, seen: Seen) -> Replayed:
        """The same, to go on from while this one stays."""
        made = Replayed(watched_state(self.state, seen), self.different)
        made.activations, made.lost = dict(self.activations), list(self.lost)
        made.moves, made.followed = list(self.moves), list(self.followed)
        return made


class Replay:
    """A run's history, stepped on one plan from the run's start.

    Asked again when the run has moved on, it steps only what has come in since, from the last moment that is still as
    it was: the records of ended passes give way to others. `beside` another one, that of the same run on another plan,
    it takes over what that did wherever its own plan and state leave no doubt that it would do the same. That one is to
    be asked first each time.
    """

    def __init__(self, program: Program, beside: Replay | None = None) -> None:
        self.program = program
        self._seen = Seen()
        self._watched = watched_program(program, self._seen)
        self._beside = beside if beside is not None and comparable(beside.program, program) else None
        self._apart = apart(self._beside.program, program) if self._beside is not None else set[str]()
        self.first: Beginning | None = None
        self._done: Replayed | None = None
        self._firm: tuple[int, Replayed] | None = None
        """Where it stood, and after how many records, before the first one that can give way to another."""

    def alone(self) -> None:
        """Go on without the other one from here, which then need not be kept."""
        self._beside = None
        for done in (self._done, self._firm[1] if self._firm is not None else None):
            if done is not None:
                done.followed = []

    def of(self, run: Snapshot, history: Sequence[HistoryRecord]) -> Replayed:
        """Where `history` leads on the plan. The answer is good until the next question.

        Raises:
            OutputsNeeded: It reads outputs that are not in `run.blobs`.
        """
        facts = [Fact(record, _told_besides(self.program, record, run)) for record in history]
        done = self._resumed(facts, run)
        done.state.blobs = run.blobs
        for number in range(len(done.moves), len(facts)):
            if self._firm is None and not _is_firm(facts[number].record):
                self._firm = number, done.copy(self._seen)
            self._take(done, facts[number], run)
        return done

    def _resumed(self, facts: Sequence[Fact], run: Snapshot) -> Replayed:
        if self._done is not None:
            same = self._same(self._done, facts)
            if same == len(self._done.moves):
                return self._done
            if self._firm is not None and self._firm[0] <= same:
                self._done = self._firm[1].copy(self._seen)
                return self._done
        self._firm = None
        self._done = self._begun(run)
        return self._done

    def _same(self, done: Replayed, facts: Sequence[Fact]) -> int:
        """How many of the records that were taken are as they were, also to the replay beside this one."""
        beside = self._beside.moves if self._beside is not None else ()
        for number, move in enumerate(done.moves):
            if number >= len(facts) or move.fact != facts[number]:
                return number
            if self._beside is not None and done.followed[number] is not beside[number]:
                return number
        return len(done.moves)

    @property
    def moves(self) -> Sequence[Move]:
        """What it did, record by record."""
        return self._done.moves if self._done is not None else ()

    def _begun(self, run: Snapshot) -> Replayed:
        theirs = self._beside.first if self._beside is not None else None
        if theirs is not None and theirs.nodes == _starts(self.program) and self._apart.isdisjoint(theirs.seen):
            self.first = theirs
        else:
            self.first = self._started(run)
        done = Replayed(watched_state(opened_by(self.first.change, Tip("0")), self._seen), self._apart)
        done.activations = dict(self.first.dispatched)
        if theirs is not None and theirs is not self.first:
            done.different |= differing(self.first.change, theirs.change)
        return done

    def _started(self, run: Snapshot) -> Beginning:
        self._seen.taken()
        change = start(self._watched, _unstarted(run.head), run.head.created_at, run.blobs)
        nodes = _starts(self.program)
        return Beginning(nodes, (*nodes, *self._seen.taken()), change, tuple(_dispatched(change, 0)))

    def _take(self, done: Replayed, fact: Fact, run: Snapshot) -> None:
        # A timer's generation is the seq that armed it, so each record is stepped at its own seq.
        done.state.head.seq = fact.record.seq - 1
        if self._beside is None:
            done.go_on(self._stepped(done, fact, run))
            return
        theirs = self._beside.moves[len(done.moves)]
        if holds(theirs, done.state, self.program, done.different):
            if not isinstance(fact.record.fact, EndedPass):
                _as_it_was(fact.record, fact.record.fact, done.state, run)
            done.go_on(theirs)
        else:
            own = self._stepped(done, fact, run)
            done.different |= differing(own.change, theirs.change)
            done.go_on(own)
        done.followed.append(theirs)

    def _stepped(self, done: Replayed, fact: Fact, run: Snapshot) -> Move:
        head = head_of(done.state)
        self._seen.taken()
        change = _again(self._watched, done.state, fact.record, run)
        if change is None or (change.is_empty and not _is_optional(fact.record)):
            return Move(fact, head, self._seen.taken(), None, ())
        dispatched = tuple(_dispatched(change, len(done.moves) + 1))
        change.dispatches = ()
        return Move(fact, head, self._seen.taken(), change, dispatched)


def _starts(program: Program) -> list[NodeId]:
    return [site.node.id for site in program.starts]


def _dispatched(change: Transition, at: int) -> Iterator[tuple[TokenId, Activation]]:
    """The tasks that a transition put out."""
    for dispatch in change.dispatches:
        task = decode_task(dispatch.body)
        config = msgspec.json.encode(task.config, order="sorted")
        origin = (task.from_node, bytes(task.payload), task.payload_ref)
        since = change.opened[dispatch.token].activated_at
        yield dispatch.token, Activation(at, since, task.type, config, origin)


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
        # While it backs off, the attempt of a token is the one to come.
        known = signal.attempt if token.state in ("dispatched", "parked") else signal.attempt + 1
        state.tokens[record.token] = replace(token, attempt=max(token.attempt, known))
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
