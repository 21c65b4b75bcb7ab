"""The marking of a run: where it stands, up to due times and to the numbers that only count transitions."""

from __future__ import annotations

from typing import Any

from pointsman.base.ids import TokenId, split_token
from pointsman.protocol.state import OpenToken, Result
from tests.support.edited import EditedRun

OF_ATTEMPTS = ("timeout:", "deadline:")
"""Timers that another plan has only from the next attempt on."""


def marking(run: EditedRun) -> dict[str, Any]:
    """Where a run stands."""
    now = run.snapshot
    return {
        "status": (now.head.status, now.head.failed, bytes(now.head.output.data), now.head.error),
        "tokens": {token: _standing(state) for token, state in now.tokens.items()},
        "results": {token: _outcome(how) for token, how in now.results.items() if not _is_handed_up(run, token, how)},
        "joins": {token: dict(resolved) for token, resolved in now.joins.items()},
        "frames": {frame: state.iteration for frame, state in now.frames.items()},
        "streams": {
            token: (task.type, task.attempt, task.config, task.payload) for token, task in run.held.streams.items()
        },
        "clock": sorted(name for name in run.clock if not name.startswith(OF_ATTEMPTS)),
    }


def _is_handed_up(run: EditedRun, token: TokenId, result: Result) -> bool:
    """Whether it is of a node that a pass left unfinished: nothing is decided by that, and no record keeps it."""
    frame, node = split_token(token)
    around = sum(node in region.nodes for region in run.program.plan.regions)
    return result.status in ("skipped", "cancelled") and frame.count("[") < around


def _standing(state: OpenToken) -> tuple[object, ...]:
    return (
        state.state,
        state.attempt,
        state.type,
        state.min_attempt,
        state.deliveries,
        sorted(state.sources),
        _timers(state),
        state.error,
    )


def _outcome(result: Result) -> tuple[object, ...]:
    return result.status, result.attempt, result.output, result.of, result.error, result.reason


def _timers(state: OpenToken) -> list[str]:
    return sorted(name for name in state.timers if not name.startswith(OF_ATTEMPTS))
