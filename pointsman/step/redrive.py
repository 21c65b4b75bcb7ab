"""`redrive` and `skip`: what a person decides about a parked token (SEMANTICS §6)."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.ids import TimerId, TokenId
from pointsman.protocol.output import Output
from pointsman.protocol.state import OpenToken, Result
from pointsman.step.draft import Draft
from pointsman.step.ending import skip_out
from pointsman.step.program import Site
from pointsman.step.task import dispatch

SKIPPED = "skipped_by_hand"
"""Why a node was skipped though something led to it."""


def redrive(draft: Draft, site: Site, token: TokenId, state: OpenToken, payload: Output | None) -> None:
    """Hand a parked token out once more: one attempt, all the time the node has, and no worker lost over it yet.

    With another input, what comes of earlier attempts is late from now on; without, the first completion wins.
    """
    attempt = state.attempt + 1
    least = attempt if payload is not None else state.min_attempt
    again = replace(state, state="held", attempt=attempt, min_attempt=least, deliveries=0, error=None)
    if payload is not None:
        again = replace(again, payload=payload)
    if site.node.deadline_ms is not None:
        timer = TimerId(f"deadline:{token}")
        again = replace(again, timers={timer: draft.arm(timer, site.node.deadline_ms)})
    draft.set_token(token, again)
    dispatch(draft, site, token, again)


def skip_parked(draft: Draft, site: Site, token: TokenId, state: OpenToken) -> None:
    """Give a parked token up: its node counts as skipped, and so does what can only come behind it."""
    draft.end(token, Result("skipped", state.attempt, state.activated_at, draft.now, reason=SKIPPED))
    skip_out(draft, site, token, "dead")
