"""The stuck detector: an open run that waits for nothing is a bug, and says so before its owner has to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from pointsman.base.ids import Millis, RunId
from pointsman.metrics import Metrics
from pointsman.ports.run_index import OLDEST, RunIndex
from pointsman.ports.run_store import RunStore
from pointsman.protocol.state import OpenToken, Snapshot
from pointsman.service import pause

log = structlog.get_logger()

_PAGE = 200


class Stuck:
    """Looks at runs that have been quiet for long. Any number of supervisors may."""

    def __init__(
        self, store: RunStore, index: RunIndex, drain: asyncio.Event, metrics: Metrics, *, stuck_after_ms: int
    ) -> None:
        self._store = store
        self._index = index
        self._drain = drain
        self._metrics = metrics
        self._stuck_after_ms = stuck_after_ms
        self._known: dict[RunId, str] = {}

    async def run(self) -> None:
        """Look as often as a run may be stuck unnoticed, until drained."""
        while not self._drain.is_set():
            await self.look()
            await pause(self._drain, self._stuck_after_ms / 1000)

    async def look(self) -> None:
        """Find the runs that are stuck now; those that were not before are logged."""
        found = await self._stuck()
        for run, reason in found.items():
            if self._known.get(run) != reason:
                log.error("run_stuck", run_id=run, reason=reason)
        self._known = found
        self._metrics.stuck_runs.set(len(found))

    async def _stuck(self) -> dict[RunId, str]:
        since = Millis(await self._store.now() - self._stuck_after_ms)
        found: dict[RunId, str] = {}
        after = OLDEST
        while quiet := await self._index.quiet(since, after=after, limit=_PAGE):
            found |= await self._stuck_among({RunId(run.cursor.run_id): run.seq for run in quiet}, since)
            after = quiet[-1].cursor
        return found

    async def _stuck_among(self, quiet: Mapping[RunId, int], since: Millis) -> dict[RunId, str]:
        snapshots = await self._store.load(list(quiet))
        reasons = {run: why_stuck(snapshots.get(run), seq, since) for run, seq in quiet.items()}
        found = {run: reason for run, reason in reasons.items() if reason}
        # One that ended after it was listed is not in Redis any more, and that is as it should be.
        ended = await self._index.final([run for run in found if run not in snapshots])
        return {run: reason for run, reason in found.items() if run not in ended}


def why_stuck(run: Snapshot | None, journalled: int, since: Millis) -> str:
    """Why a run will never move again; empty if it will. Its last event is number `journalled`, older than `since`."""
    if run is None:
        return "Redis does not hold it"
    if run.head.seq > journalled or run.head.status == "PAUSED":
        return ""
    if not run.tokens:
        return "no token is open"
    if any(_waits(token, since) for token in run.tokens.values()):
        return ""
    states = sorted(f"{name} is {token.state}" for name, token in run.tokens.items())
    return f"nothing will move its tokens: {', '.join(states[:5])}"


def _waits(token: OpenToken, since: Millis) -> bool:
    """Whether anything is going to move this token: a worker, a person, or a timer that is not overdue."""
    if token.state in ("dispatched", "parked"):
        return True
    return any(timer.due > since for timer in token.timers.values())
