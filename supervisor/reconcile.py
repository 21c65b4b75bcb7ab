"""Start-reconcile: a run that was accepted is started, though whoever accepted it died before it could."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.metrics import Metrics
from pointsman.ports.run_index import OLDEST, Cursor, NewRun, RunIndex
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.state import RunHead
from pointsman.service import pause

log = structlog.get_logger()


class Starter(Protocol):
    """Starts an accepted run; `pointsman.execute.Executor` does."""

    async def start(self, head: RunHead, plan: bytes, since: Millis | None = None) -> StartOutcome:
        """Start a run that had not ended at `since`; `exists` where somebody did so already."""
        ...


class Plans(Protocol):
    """The plans ever stored."""

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON."""
        ...


class Reconcile:
    """Compares what was accepted with what was started. Any number of supervisors may: starting twice starts once."""

    def __init__(
        self,
        index: RunIndex,
        plans: Plans,
        starter: Starter,
        now: Callable[[], Awaitable[Millis]],
        drain: asyncio.Event,
        metrics: Metrics,
        *,
        interval_ms: int,
    ) -> None:
        self._index = index
        self._plans = plans
        self._starter = starter
        self._now = now
        self._drain = drain
        self._metrics = metrics
        self._interval_ms = interval_ms
        self._failed: set[RunId] = set()

    async def run(self) -> None:
        """Compare now and then, until drained."""
        while not self._drain.is_set():
            await self.start_what_was_accepted()
            await pause(self._drain, self._interval_ms / 1000)

    async def start_what_was_accepted(self) -> None:
        """Start runs accepted an interval ago or earlier, of which no event is in the journal."""
        now = await self._now()
        older_than, after = Millis(now - self._interval_ms), OLDEST
        while runs := await self._index.accepted_not_started(older_than, after=after):
            for run in runs:
                if self._drain.is_set() or not await self._start(run, now):
                    return
            after = Cursor(runs[-1].created_at, runs[-1].run_id)
            now = await self._now()

    async def _start(self, run: NewRun, since: Millis) -> bool:
        """Start one that had not ended at `since`; False where no other need be tried now."""
        plan = await self._plans.plan(run.plan)
        assert plan is not None, "a foreign key sees to it"
        try:
            outcome = await self._starter.start(run.head(), plan, since)
        except ServerUnavailable:
            raise
        except Exception as wrong:
            # Whatever is wrong with this run, those behind it are not to wait for it.
            self._complain(run, wrong)
            return True
        if outcome == "started":
            log.warning("run_started_late", run_id=run.run_id)
            self._metrics.runs_reconciled.inc()
        return outcome in ("started", "exists", "late")

    def _complain(self, run: NewRun, wrong: Exception) -> None:
        """Say once that a run cannot be started; it is tried again all the same."""
        if run.run_id not in self._failed:
            self._failed.add(run.run_id)
            log.error("start_failed", run_id=run.run_id, reason=str(wrong), exc_info=wrong)
