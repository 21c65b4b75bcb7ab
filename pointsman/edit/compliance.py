"""Compliance: whether a run's past holds on another plan (SEMANTICS §8)."""

from __future__ import annotations

from typing import Literal

from pointsman.base.errors import Problem
from pointsman.base.ids import Millis, TokenId, split_token
from pointsman.edit.footprint import Activation
from pointsman.edit.replay import Replayed
from pointsman.edit.story import why_not
from pointsman.protocol.history import EndedPass
from pointsman.protocol.state import OpenToken, Snapshot
from pointsman.step import Program

OnRunning = Literal["refuse", "cancel", "restart"]
"""What an editor wants for tasks that are out and would not be, or not so: nothing, that they end, or begin anew."""


def is_out(state: OpenToken) -> bool:
    """Whether a worker has been handed this token: what has happened, and may not be undone silently."""
    return state.state == "dispatched" or state.state == "parked"


def objections(
    run: Snapshot, before: Replayed, after: Replayed, program: Program, on_running: OnRunning
) -> list[Problem]:
    """What happened in `run` and would not have happened on the new plan; empty where the edit is compliant.

    Args:
        run: The run as it is.
        before: Its history replayed on the plan it has.
        after: The same on the plan it is to have.
        program: That plan.
        on_running: What the editor allowed for tasks that are out.
    """
    told: dict[TokenId, Problem] = {}
    for token, state in run.tokens.items():
        if token not in after.state.tokens and is_out(state) and on_running != "cancel":
            reason = why_not(after.state, program, token)
            told[token] = _objection("EDT021", token, f"is running, and on the new plan it would not be: {reason}")
    for token, result in run.results.items():
        if result.status in ("completed", "failed") and _status(after, token) != result.status:
            reason = why_not(after.state, program, token)
            told.setdefault(token, _objection("EDT022", token, f"has {result.status}, and would not have: {reason}"))
    for token, activation in before.activations.items():
        problem = _dispatched_otherwise(run, token, activation, after, program, on_running)
        if problem is not None:
            told.setdefault(token, problem)
    for token, state in run.tokens.items():
        if is_out(state) and _fired_otherwise(state, after.state.tokens.get(token)):
            told.setdefault(token, _objection("EDT026", token, "is running, and would have been fired by other edges"))
    return list(told.values())


def changed_tasks(run: Snapshot, before: Replayed, after: Replayed) -> set[TokenId]:
    """Tasks that are out and would be others on the new plan: to be restarted where the editor asked for that."""
    return {
        token
        for token, activation in before.activations.items()
        if token in run.tokens
        and is_out(run.tokens[token])
        and token in after.activations
        and _differs(activation, after.activations[token])
    }


def _dispatched_otherwise(
    run: Snapshot, token: TokenId, activation: Activation, after: Replayed, program: Program, on_running: OnRunning
) -> Problem | None:
    state = run.tokens.get(token)
    if state is not None and not is_out(state):
        return None  # it is held back, or backs off: it takes the edit with its next attempt
    again = after.activations.get(token)
    if again is None:
        if state is not None and on_running == "cancel":
            return None
        reason = why_not(after.state, program, token)
        return _objection("EDT023", token, f"was dispatched, and would not have been: {reason}")
    if _differs(activation, again):
        if state is not None and on_running == "restart":
            return None
        if state is None and split_token(token)[0]:
            return None  # it ended in a pass that is open: passes opened later take the edit
        return _objection("EDT024", token, _how_it_differs(activation, again, is_running=state is not None))
    if again.at > activation.at and again.since > _began(run, token):
        return _objection("EDT025", token, "would have been dispatched later than it was")
    return None


def _began(run: Snapshot, token: TokenId) -> Millis:
    """When a task was in fact activated: on the plan that the run has by now that may have been possible before."""
    state, result = run.tokens.get(token), run.results.get(token)
    if state is not None:
        return state.activated_at
    return result.started_at if result is not None and result.started_at is not None else Millis(0)


def _differs(one: Activation, other: Activation) -> bool:
    return (one.type, one.config, one.origin) != (other.type, other.config, other.origin)


def _how_it_differs(one: Activation, other: Activation, *, is_running: bool) -> str:
    what = "type" if one.type != other.type else "config" if one.config != other.config else "origin"
    if is_running:
        return f"is running with another {what}; ask for on_running=restart to begin it anew"
    return f"has ended, with another {what}: what has happened stays"


def _status(after: Replayed, token: TokenId) -> str | None:
    result = after.state.results.get(token)
    return result.status if result is not None else None


def _fired_otherwise(state: OpenToken, again: OpenToken | None) -> bool:
    return again is not None and state.sources != again.sources


def _objection(code: str, token: TokenId, what: str) -> Problem:
    frame, node = split_token(token)
    where = f" in {frame}" if frame else ""
    return Problem(code, f"/nodes/{node}", f"node `{node}`{where} {what}")


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
