"""Fork: a run that begins with the history of another, as a replay of it on its plan ends (SEMANTICS §7)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pointsman.base.errors import EditRefused, RunError
from pointsman.base.ids import Millis, TimerId, TokenId
from pointsman.edit.compliance import objections
from pointsman.edit.cut import Remains
from pointsman.edit.idle import without_effect
from pointsman.edit.replay import Replay, Replayed
from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.signal import Resume, Signal
from pointsman.protocol.state import OpenToken, RunHead, Snapshot, Timer
from pointsman.protocol.transition import Transition
from pointsman.step import Program
from pointsman.step.activation import run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import RUN_TIMER, Draft, node_of
from pointsman.step.task import dispatch


def fork(
    program: Program, head: RunHead, kept: Remains, now: Millis, blobs: dict[str, bytes], before: Program | None = None
) -> Transition:
    """Say what starting a run from the history of another does: what is open where that ends is handed out.

    Args:
        program: The plan of the new run.
        head: The new run as accepted; `forked` names the other.
        kept: What remains of the other's history.
        now: When it starts.
        blobs: Outputs that live in the blob store, where a condition or a config reads them.
        before: The plan of the other, where the new run has another one.

    Returns:
        A first transition that carries the history and its results: the run folds from its own events alone.

    Raises:
        RunError: RUN044, what remains leads to the end of the run: there is nothing to do.
        EditRefused: What remains would not have happened on the new plan.
        OutputsNeeded: It reads outputs that are not in `blobs`.
    """
    past = Snapshot(head, results=dict(kept.results), blobs=blobs)
    history = _of_its_own(kept.records, head)
    if before is not None:
        _check(before, program, past, history)
    done, history = _replayed(program, past, history)
    if done.state.head.status == "PAUSED":
        resumed = HistoryRecord(len(history) + 1, kept.at, None, Resume(head.run_id, reason="forked"))
        done, history = _replayed(program, past, [*history, resumed])
    change = _first(program, head, done.state, now, kept.at, blobs)
    change.kept = tuple(_numbered(history))
    if done.state.is_final or not change.opened:
        raise _nothing_to_do(head, done.state, change)
    return change


def _of_its_own(records: Sequence[HistoryRecord], head: RunHead) -> list[HistoryRecord]:
    """The records, counted from 1, about the new run."""
    return [replace(record, seq=number, fact=_about(record, head)) for number, record in enumerate(records, start=1)]


def _about(record: HistoryRecord, head: RunHead) -> Signal | EndedPass:
    fact = record.fact
    return fact if isinstance(fact, EndedPass) else replace(fact, run_id=head.run_id)


def _replayed(
    program: Program, past: Snapshot, history: Sequence[HistoryRecord]
) -> tuple[Replayed, list[HistoryRecord]]:
    """Where the history leads, and what of it counts: a signal may have lost what it was about with what is gone."""
    history = list(history)
    while True:
        done = Replay(program).of(past, history)
        if not done.lost:
            return done, history
        lost = {record.seq for record in done.lost}
        history = [record for record in history if record.seq not in lost]


def _numbered(history: Sequence[HistoryRecord]) -> list[HistoryRecord]:
    """The records numbered up to 0: what the run takes itself counts on from its first event, which is 1."""
    return [replace(record, seq=number - len(history)) for number, record in enumerate(history, start=1)]


def _check(old: Program, new: Program, past: Snapshot, history: list[HistoryRecord]) -> None:
    """Hold what remains to the new plan, as an edit would. Nothing is out: what is open may be otherwise."""
    before, history = _replayed(old, past, history)
    waiting = {token: replace(state, state="held") for token, state in before.state.tokens.items()}
    run = Snapshot(before.state.head, waiting, before.state.results, before.state.joins, before.state.frames)
    after = Replay(new).of(past, history)
    problems = [*without_effect(old, new, run, after.state), *objections(run, before, after, new, "refuse")]
    if problems:
        first, more = problems[0], len(problems) - 1
        told = f"the fork would change what it keeps: {first.message}" + (f", and {more} more" if more else "")
        raise EditRefused(first.code, f"{told}. Nothing was started", problems=tuple(problems))


def _first(
    program: Program, head: RunHead, state: Snapshot, now: Millis, cut_at: Millis, blobs: dict[str, bytes]
) -> Transition:
    draft = Draft(program, Snapshot(head, blobs=blobs), now)
    draft.status = "RUNNING"
    draft.ended, draft.frames = dict(state.results), dict(state.frames)
    draft.joined = {token: dict(edges) for token, edges in state.joins.items()}
    draft.tokens_made, draft.passes_made = state.head.tokens_made, state.head.passes_made
    draft.failed, draft.error = state.head.failed, state.head.error
    if program.plan.guards.max_duration_ms is not None:
        draft.timer = draft.arm(RUN_TIMER, program.plan.guards.max_duration_ms)
    inputs = head.forked.inputs if head.forked is not None else {}
    for token, was in state.tokens.items():
        _open(draft, token, replace(was, payload=inputs.get(token, was.payload)), cut_at)
    run_queue(draft)
    settle(draft)
    change = draft.finish("fork", None)
    change.started = head
    return change


def _open(draft: Draft, token: TokenId, was: OpenToken, cut_at: Millis) -> None:
    """Open a token as it was: a task that was out goes out again, as the same attempt; what was parked is a dead letter
    of this run, too."""
    is_out = was.state in ("dispatched", "queued", "held")
    kept = {name: timer for name, timer in was.timers.items() if not is_out or name.startswith("deadline:")}
    timers = {name: _armed(draft, name, timer, cut_at) for name, timer in kept.items()}
    if is_out:
        again = replace(was, state="queued", type="", timers=timers, dispatched_at=None)
        draft.set_token(token, again)
        dispatch(draft, draft.program.sites[node_of(token)], token, again)
    else:
        if was.state == "parked" and was.error is not None:
            node_type = draft.program.sites[node_of(token)].node.type
            draft.dead.append(DeadToken(token, was.attempt, was.error, node_type, is_parked=True))
        draft.more = draft.more or was.state == "beginning"
        draft.set_token(token, replace(was, timers=timers))


def _armed(draft: Draft, name: TimerId, timer: Timer, cut_at: Millis) -> Timer:
    """A timer with the time it had left at the cut."""
    left = timer.left_ms if timer.left_ms is not None else max(0, timer.due - cut_at)
    return draft.arm(name, left)


def _nothing_to_do(head: RunHead, state: Snapshot, change: Transition) -> RunError:
    assert head.forked is not None
    status = change.status if state.head.status == "RUNNING" else state.head.status
    error = change.error or state.head.error
    why = f" ({error.message or error.type})" if error is not None else ""
    return RunError(
        "RUN044",
        f"what a fork of run {head.forked.run_id} would keep leads to its end at once, {status}{why}: it would have "
        "nothing to do, and was not started. Fork it from a node before that, or at an earlier event.",
    )
