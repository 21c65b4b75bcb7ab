"""`resume`: clocks run on with the time they had left, and what was held goes out (SEMANTICS §7)."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.ids import TimerId
from pointsman.protocol.state import OpenToken, Timer
from pointsman.step.draft import RUN_TIMER, Draft, node_of
from pointsman.step.task import dispatch


def resume(draft: Draft) -> None:
    """Start the clocks of the run again and dispatch what was held."""
    draft.status = "RUNNING"
    for token, state in draft.tokens():
        running = _rearm(draft, state)
        if running is not state:
            draft.set_token(token, running)
        if running.state == "held":
            dispatch(draft, draft.program.sites[node_of(token)], token, running)
    if draft.run.head.timer is not None:
        draft.timer = _start(draft, RUN_TIMER, draft.run.head.timer)


def dispatch_queued(draft: Draft) -> None:
    """Dispatch tokens that were over the limit of an earlier transition, again up to the limit."""
    for token, state in draft.tokens():
        if state.state == "queued":
            dispatch(draft, draft.program.sites[node_of(token)], token, state)


def _rearm(draft: Draft, state: OpenToken) -> OpenToken:
    if not state.timers:
        return state
    return replace(state, timers={name: _start(draft, name, timer) for name, timer in state.timers.items()})


def _start(draft: Draft, name: TimerId, timer: Timer) -> Timer:
    return timer if timer.left_ms is None else draft.arm(name, timer.left_ms)
