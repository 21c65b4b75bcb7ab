"""`pause`: results are still taken, nothing new is dispatched, timers keep the time they have left (SEMANTICS §7)."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.protocol.state import Timer
from pointsman.step.draft import RUN_TIMER, Draft


def pause(draft: Draft) -> None:
    """Stop the clocks of the run. Tasks that are out stay out."""
    for token, state in draft.tokens():
        if state.timers:
            stopped = {name: _stop(draft, timer) for name, timer in state.timers.items()}
            for name, timer in state.timers.items():
                draft.disarm(name, timer)
            draft.set_token(token, replace(state, timers=stopped))
    if draft.run.head.timer is not None:
        draft.disarm(RUN_TIMER, draft.run.head.timer)
        draft.timer = _stop(draft, draft.run.head.timer)
    draft.status = "PAUSED"


def _stop(draft: Draft, timer: Timer) -> Timer:
    return Timer(draft.seq, timer.due, max(0, timer.due - draft.now))
