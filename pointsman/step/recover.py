"""`recover`: what was handed to workers before Redis was lost is handed out again (SEMANTICS §7)."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.ids import Millis, TokenId
from pointsman.protocol.state import OpenToken, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step.activation import run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import Draft, node_of
from pointsman.step.program import Program
from pointsman.step.resume import WAITING
from pointsman.step.retry import attempt_over
from pointsman.step.task import dispatch

CAUSE = "recovered"


def recover(program: Program, run: Snapshot, now: Millis) -> Transition:
    """Say how an open run goes on that was rebuilt from its journal.

    Each task that was out goes out once more, as the next attempt: a result of the one before counts all the same, its
    failure does not. It costs the node no worker (`max_deliveries`). What waits for a timer or a person waits on. Of a
    run that is paused the tasks are held until it is resumed.

    The transition is never empty: the journal shall tell that and when Redis was lost, and that later rows of the run
    are superseded.

    Raises:
        OutputsNeeded: It reads outputs that are not in `run.blobs`.
    """
    draft = Draft(program, run, now)
    for token, state in draft.tokens():
        if state.state == "dispatched" and not draft.is_over:
            _hand_out_again(draft, token, state)
    run_queue(draft)
    settle(draft)
    if not draft.is_over and not draft.is_paused:
        draft.more = any(state.state in WAITING for _, state in draft.tokens())
    return draft.finish(CAUSE, None)


def _hand_out_again(draft: Draft, token: TokenId, state: OpenToken) -> None:
    attempt_over(draft, token, state)
    kept = {name: timer for name, timer in state.timers.items() if name.startswith("deadline:")}
    again = replace(state, state="queued", attempt=state.attempt + 1, type="", timers=kept)
    draft.set_token(token, again)
    dispatch(draft, draft.program.sites[node_of(token)], token, again)
