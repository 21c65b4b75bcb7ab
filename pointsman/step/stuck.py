"""Stuck: an open run that waits for nothing, and why. It is a bug, of ours or of whoever wrote to Redis by hand."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.base.ids import Millis, TokenId
from pointsman.protocol.state import OpenToken

NOT_THERE = "Redis does not hold it"
_SHOWN = 5


def why_stuck(tokens: Mapping[TokenId, OpenToken] | None, since: Millis) -> str:
    """Why a running run will never move again; empty if it will. Nothing has happened in it after `since`.

    `tokens` are those that are open; None where the run itself is not there.
    """
    if tokens is None:
        return NOT_THERE
    if not tokens:
        return "no token is open"
    if any(_waits(token, since) for token in tokens.values()):
        return ""
    states = sorted(f"{name} is {token.state}" for name, token in tokens.items())
    more = f" and {len(states) - _SHOWN} more" if len(states) > _SHOWN else ""
    return f"nothing will move its tokens: {', '.join(states[:_SHOWN])}{more}"


def _waits(token: OpenToken, since: Millis) -> bool:
    """Whether anything is going to move this token: a worker, a person, or a timer that is not overdue."""
    if token.state in ("dispatched", "parked"):
        return True
    return any(timer.due > since for timer in token.timers.values())
