"""`step`: what one signal changes in a run, without changing it (SEMANTICS §2)."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from pointsman.base.errors import NodeNotInPlan, SignalRejected
from pointsman.base.ids import Millis, NodeId, TokenId
from pointsman.protocol.output import EMPTY
from pointsman.protocol.signal import (
    Cancel,
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
from pointsman.protocol.state import ErrorInfo, OpenToken, Snapshot, Timer
from pointsman.protocol.transition import Transition
from pointsman.step.activation import run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import RUN_TIMER, Draft, node_of, nothing
from pointsman.step.ending import end_run, fail
from pointsman.step.pause import pause
from pointsman.step.program import Program, Site
from pointsman.step.redrive import redrive, skip_parked
from pointsman.step.resume import POSTPONED, dispatch_waiting, resume
from pointsman.step.retry import attempt_failed, attempt_over, task_lost, try_again, worker_lost
from pointsman.step.task import completed
from pointsman.step.wait import wake


class _Idle(Exception):
    """The signal changes nothing; the argument says why."""


def step(program: Program, run: Snapshot, signal: Signal, now: Millis) -> Transition:
    """Say what one signal changes in a run, without changing it.

    Same arguments, same transition: replay, recovery and the model tests rest on that, so time comes in as `now` and
    every new id is derived from the token.

    Args:
        program: The plan at `run.head.revision`, made ready.
        run: The run's state, with those blobs loaded that `OutputsNeeded` asked for. It may be out of date; the
            transition carries its tip so that apply can refuse.
        signal: One report, possibly a redelivery.
        now: Unix time in milliseconds; settles due times only, never order.

    Returns:
        A transition that `is_empty`, with the reason, when the signal changes nothing.

    Raises:
        NodeNotInPlan: RUN007, the signal names a node this plan lacks. Not retryable.
        SignalRejected: SIG004, it has no job id and its node does not have exactly one open token.
        OutputsNeeded: It reads outputs that are not in `run.blobs`.
    """
    kind = _CAUSES[type(signal)]
    if run.is_final:
        return nothing(run, now, _record(signal), kind, "closed")
    draft = Draft(program, run, now)
    try:
        _take(draft, signal)
    except _Idle as idle:
        return nothing(run, now, _record(signal), kind, str(idle))
    run_queue(draft)
    settle(draft)
    return draft.finish(kind, _record(signal, draft.retried))


_CAUSES: dict[type, str] = {
    Completed: "completed",
    Failed: "failed",
    TimerFired: "timer",
    WorkerLost: "worker_lost",
    TaskLost: "task_lost",
    Continue: "continue",
    Pause: "pause",
    Resume: "resume",
    Cancel: "cancel",
    Redrive: "redrive",
    Skip: "skip",
}


def _record(signal: Signal, retried: bool | None = None) -> Signal:
    """The signal as history keeps it: its output stands in the results, what was decided of its attempt beside it."""
    if isinstance(signal, Completed):
        return Completed(signal.run_id, signal.token, signal.attempt, EMPTY, signal.node, signal.metadata)
    if retried is not None and isinstance(signal, Failed | TimerFired | WorkerLost):
        return replace(signal, retried=retried)
    return signal


def _take(draft: Draft, signal: Signal) -> None:
    match signal:
        case Completed():
            token, state = _addressed(draft, signal.token, signal.node)
            site = _site(draft, token)
            attempt = _handed_out(site, state, signal)
            completed(draft, site, token, state, attempt, signal.output)
        case Failed():
            token, state = _addressed(draft, signal.token, signal.node)
            _out(state, signal.attempt if signal.token is not None else state.attempt)
            error = ErrorInfo(signal.error_type, signal.message)
            site, retryable, recorded = _site(draft, token), signal.retryable, signal.retried
            attempt_failed(draft, site, token, state, error, retryable=retryable, recorded=recorded)
        case WorkerLost():
            token, state = _addressed(draft, signal.token, None)
            _out(state, signal.attempt)
            worker_lost(draft, _site(draft, token), token, state, signal.worker, recorded=signal.retried)
        case TaskLost():
            token, state = _addressed(draft, signal.token, None)
            _out(state, signal.attempt)
            task_lost(draft, _site(draft, token), token, state)
        case TimerFired():
            _take_timer(draft, signal)
        case Redrive() | Skip():
            _decide(draft, signal)
        case Continue() | Pause() | Resume() | Cancel():
            _take_command(draft, signal)
        case _:
            assert_never(signal)


def _take_command(draft: Draft, signal: Continue | Pause | Resume | Cancel) -> None:
    match signal:
        case Continue():
            if draft.is_paused or not any(state.state in POSTPONED for state in draft.run.tokens.values()):
                raise _Idle("nothing_queued")
            dispatch_waiting(draft)
        case Pause():
            if draft.is_paused:
                raise _Idle("already_paused")
            pause(draft)
        case Resume():
            if not draft.is_paused:
                raise _Idle("not_paused")
            resume(draft)
        case Cancel():
            end_run(draft, "CANCELLED", ErrorInfo("cancelled", signal.reason), "run_cancelled")
        case _:
            assert_never(signal)


def _decide(draft: Draft, signal: Redrive | Skip) -> None:
    """Do what somebody decided about a parked token, if it is still the failure that they decided about."""
    token, state = _addressed(draft, signal.token, None)
    site = _site(draft, token)
    if state.state != "parked" or state.attempt != signal.attempt:
        raise _Idle("not_parked")
    match signal:
        case Skip():
            skip_parked(draft, site, token, state)
        case Redrive():
            if site.node.kind != "task":
                raise _Idle("not_a_task")
            redrive(draft, site, token, state, signal.payload)
        case _:
            assert_never(signal)


def _addressed(draft: Draft, token: TokenId | None, node: NodeId | None) -> tuple[TokenId, OpenToken]:
    """The open token a signal is about.

    Without a job id that is the one open token of its node (ARCHITECTURE §6).
    """
    if token is not None:
        state = draft.run.tokens.get(token)
        if state is None:
            _site(draft, token)
            raise _Idle("not_open")
        return token, state
    found = [(name, state) for name, state in draft.run.tokens.items() if node_of(name) == node]
    if len(found) == 1:
        return found[0]
    _site(draft, TokenId(f":{node}"))
    raise SignalRejected(
        "SIG004",
        f"run {draft.run.head.run_id}: a signal without job_id names node `{node}`, which has {len(found)} open "
        "tokens; only a node with exactly one can be meant. The signal was set aside. Send the token's job_id.",
    )


def _site(draft: Draft, token: TokenId) -> Site:
    site = draft.program.sites.get(node_of(token))
    if site is None:
        head = draft.run.head
        raise NodeNotInPlan(
            "RUN007",
            f"run {head.run_id}: a signal names node `{node_of(token)}`, which revision {head.revision} does not have. "
            "The signal was set aside, the run goes on.",
        )
    return site


def _handed_out(site: Site, state: OpenToken, signal: Completed) -> int:
    """The attempt a completion comes from; any that was handed out will do, if it is not below `min_attempt`."""
    newest = state.attempt if state.state in ("dispatched", "parked") else state.attempt - 1
    attempt = newest if signal.token is None else signal.attempt
    if site.node.kind != "task" or newest < 1:
        raise _Idle("not_dispatched")
    if not state.min_attempt <= attempt <= newest:
        raise _Idle("late_attempt")
    return attempt


def _out(state: OpenToken, attempt: int) -> None:
    """A failure counts only against the attempt it names, and only while that attempt is out."""
    if state.state != "dispatched" or attempt != state.attempt:
        raise _Idle("late_attempt")


def _take_timer(draft: Draft, signal: TimerFired) -> None:
    kind, _, name = signal.timer.partition(":")
    if signal.timer == RUN_TIMER:
        _current(draft.run.head.timer, signal)
        limit = draft.program.plan.guards.max_duration_ms
        end_run(
            draft,
            "TIMED_OUT",
            ErrorInfo("timeout", f"the run took longer than max_duration_ms, {limit}"),
            "run_timed_out",
        )
        return
    token, state = _addressed(draft, TokenId(name), None)
    _current(state.timers.get(signal.timer), signal)
    site = _site(draft, token)
    state = _without(state, signal)
    draft.set_token(token, state)
    match kind:
        case "retry":
            try_again(draft, site, token, state)
        case "timeout":
            told = f"attempt {state.attempt} took longer than timeout_ms, {site.node.timeout_ms}"
            attempt_failed(draft, site, token, state, ErrorInfo("timeout", told), recorded=signal.retried)
        case "deadline":
            attempt_over(draft, token, state)
            told = f"it took longer than deadline_ms, {site.node.deadline_ms}, all attempts together"
            fail(draft, site, token, ErrorInfo("timeout", told), timed_out=True, attempt=state.attempt)
        case "wait":
            wake(draft, site, token, state)
        case _:
            raise _Idle("unknown_timer")


def _without(state: OpenToken, signal: TimerFired) -> OpenToken:
    """The token without the timer that fired: it is off the clock already."""
    return replace(state, timers={name: timer for name, timer in state.timers.items() if name != signal.timer})


def _current(timer: Timer | None, signal: TimerFired) -> None:
    if timer is None or timer.generation != signal.generation or timer.left_ms is not None:
        raise _Idle("timer_outdated")
