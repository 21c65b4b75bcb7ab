"""Compliance: whether a run's past holds on another plan (SEMANTICS §8)."""

from __future__ import annotations

from pointsman.base.errors import Problem
from pointsman.base.ids import TokenId, split_token
from pointsman.edit.replay import Replayed
from pointsman.protocol.history import EndedPass
from pointsman.protocol.state import OpenToken, Snapshot

OUT = ("dispatched", "backing_off", "parked")
"""States of a token whose task has been handed to a worker at least once."""


def objections(run: Snapshot, before: Replayed, after: Replayed) -> list[Problem]:
    """What happened in `run` and would not have happened on the new plan; empty where the edit is compliant.

    Args:
        run: The run as it is.
        before: Its history replayed on the plan it has.
        after: The same on the plan it is to have.
    """
    told: dict[TokenId, Problem] = {}
    for token, state in run.tokens.items():
        if state.state in OUT and token not in after.state.tokens:
            told[token] = _objection("EDT021", token, "is running, and would not have been activated")
    for token, result in run.results.items():
        if result.status in ("completed", "failed") and _status(after, token) != result.status:
            told.setdefault(token, _objection("EDT022", token, f"has {result.status}, and would not have"))
    for token, activation in before.activations.items():
        again = after.activations.get(token)
        if again is None:
            told.setdefault(token, _objection("EDT023", token, "was dispatched, and would not have been"))
        elif (again.type, again.config, again.from_node) != (activation.type, activation.config, activation.from_node):
            told.setdefault(token, _objection("EDT024", token, "would have been dispatched with another task"))
        elif again.at > activation.at:
            told.setdefault(token, _objection("EDT025", token, "would have been dispatched later than it was"))
    for token, state in run.tokens.items():
        if state.state in OUT and _fired_otherwise(state, after.state.tokens.get(token)):
            told.setdefault(token, _objection("EDT026", token, "would have been fired by other edges"))
    return list(told.values())


def _status(after: Replayed, token: TokenId) -> str | None:
    result = after.state.results.get(token)
    return result.status if result is not None else None


def _fired_otherwise(state: OpenToken, again: OpenToken | None) -> bool:
    return again is not None and state.sources != again.sources


def _objection(code: str, token: TokenId, what: str) -> Problem:
    frame, node = split_token(token)
    where = f" in {frame}" if frame else ""
    return Problem(code, f"/nodes/{node}", f"node `{node}`{where} {what} under the new plan; the patch was refused")


def divergence(run: Snapshot, before: Replayed) -> str | None:
    """Where a replay on the run's own plan does not lead to the run's own state: an error of ours, never a verdict."""
    if before.lost:
        lost = before.lost[0]
        kind = "pass" if isinstance(lost.fact, EndedPass) else type(lost.fact).__name__
        return f"record {lost.seq} ({kind}) was not taken again"
    if run.tokens.keys() != before.state.tokens.keys():
        differing = sorted(run.tokens.keys() ^ before.state.tokens.keys())
        return f"the open tokens differ: {', '.join(differing[:5])}"
    return None
