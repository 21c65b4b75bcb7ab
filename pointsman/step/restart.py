"""`restart`: tokens are handed out anew, and what was out of them before is late from now on (SEMANTICS §6)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from pointsman.base.ids import TokenId
from pointsman.step.draft import Draft, node_of
from pointsman.step.retry import attempt_over
from pointsman.step.task import dispatch


def restart(draft: Draft, attempts: Mapping[TokenId, int]) -> None:
    """Dispatch each token as the attempt named; one that is not open is passed over."""
    for token, attempt in attempts.items():
        state = draft.token(token)
        if state is None:
            continue
        attempt_over(draft, token, state)
        kept = {name: timer for name, timer in state.timers.items() if name.startswith("deadline:")}
        anew = replace(state, state="queued", attempt=attempt, min_attempt=attempt, type="", timers=kept, error=None)
        draft.set_token(token, anew)
        dispatch(draft, draft.program.sites[node_of(token)], token, anew)
