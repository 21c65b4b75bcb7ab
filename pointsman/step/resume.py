"""`resume`: clocks run on with the time they had left, and what was held goes out (SEMANTICS §7)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from pointsman.base.ids import TimerId
from pointsman.protocol.state import OpenToken, Timer, TokenState
from pointsman.step.draft import MAX_DISPATCHES, RUN_TIMER, Draft, node_of
from pointsman.step.loop import take_up
from pointsman.step.task import dispatch

WAITING: Final[frozenset[TokenState]] = frozenset({"held", "queued"})
"""States of tokens that go out as soon as they may."""
POSTPONED: Final = WAITING | {"beginning"}
"""States of what goes on with the next `continue`."""


def resume(draft: Draft) -> None:
    """Start the clocks of the run again and dispatch what was held."""
    draft.status = "RUNNING"
    if draft.run.head.timer is not None:
        draft.timer = _start(draft, RUN_TIMER, draft.run.head.timer)
    for token, state in draft.tokens():
        running = _rearm(draft, state)
        if running is not state:
            draft.set_token(token, running)
    dispatch_waiting(draft)


def dispatch_waiting(draft: Draft) -> None:
    """Go on with what was held, or over a limit of an earlier transition, up to the limits of this one."""
    for token, state in draft.tokens():
        if state.state == "beginning":
            take_up(draft, token, state)
        if state.state not in WAITING:
            continue
        if len(draft.dispatches) >= MAX_DISPATCHES:
            draft.more = True
            return
        dispatch(draft, draft.program.sites[node_of(token)], token, state)
        if draft.is_over:
            return


def _rearm(draft: Draft, state: OpenToken) -> OpenToken:
    if not state.timers:
        return state
    return replace(state, timers={name: _start(draft, name, timer) for name, timer in state.timers.items()})


def _start(draft: Draft, name: TimerId, timer: Timer) -> Timer:
    return timer if timer.left_ms is None else draft.arm(name, timer.left_ms)
