"""Large fan-outs: what is over one transition's limit goes out when there is room for it, not before (SEMANTICS §4)."""

from __future__ import annotations

from typing import Final

import structlog

from pointsman.metrics import Metrics
from pointsman.ports.congestion import SOFT_LIMIT, Congestion
from pointsman.ports.signal_source import Delivery, SignalSource
from pointsman.protocol.state import Snapshot
from pointsman.step import Program
from pointsman.step.draft import MAX_DISPATCHES, node_of

log = structlog.get_logger()

SOON_MS: Final = 20
"""How long a portion is put off for each 256 tasks that wait already: nobody takes those in less."""
LATEST_MS: Final = 1_000
"""How long at most: however many runs wait like this, each asks once a second."""


class FanOuts:
    """Puts off the `continue` of a run that has tasks out already while others wait, or memory is short."""

    def __init__(self, source: SignalSource, congestion: Congestion, metrics: Metrics) -> None:
        self._source = source
        self._congestion = congestion
        self._metrics = metrics

    async def put_off(self, delivery: Delivery, run: Snapshot, program: Program) -> bool:
        """Postpone the delivery of a `continue` if its time has not come; whether it was.

        A run always has something out, or goes on: what is put off here needs no room to come back.
        """
        types = _waiting(run, program)
        if not types or not _has_tasks_out(run) or run.head.status == "PAUSED":
            return False
        is_short, unread = await self._congestion.memory() > SOFT_LIMIT, await self._congestion.unread(types)
        if not is_short and unread < MAX_DISPATCHES:
            return False
        reason = "memory" if is_short else "backlog"
        self._metrics.fan_outs_held.labels(reason).inc()
        log.debug("fan_out_held", run_id=run.head.run_id, reason=reason)
        later_ms = LATEST_MS if is_short else min(SOON_MS * unread // MAX_DISPATCHES, LATEST_MS)
        await self._source.postpone(delivery, run.head.run_id, later_ms)
        return True


def _waiting(run: Snapshot, program: Program) -> set[str]:
    """The types of the tasks that a run has not put out yet."""
    queued = (program.sites.get(node_of(token)) for token, state in run.tokens.items() if state.state == "queued")
    return {site.node.type for site in queued if site is not None}


def _has_tasks_out(run: Snapshot) -> bool:
    return any(state.state == "dispatched" for state in run.tokens.values())
