"""Start-reconcile: a run that was accepted is started, if not at once; in turn between those who sent what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId, partition_of
from pointsman.metrics import Metrics
from pointsman.ports.run_index import OLDEST, Cursor, NewRun, RunIndex
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.state import RunHead
from pointsman.service import pause

log = structlog.get_logger()

TURN: Final = 16
"""How many runs of one tenant are started before it is the next one's turn."""
BUSY_S: Final = 0.5
"""How soon it is looked again whether there is room for runs that wait."""


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
        partitions: int,
        interval_ms: int,
    ) -> None:
        self._index = index
        self._plans = plans
        self._starter = starter
        self._now = now
        self._drain = drain
        self._metrics = metrics
        self._partitions = partitions
        self._interval_ms = interval_ms
        self._closed: dict[int, ServerUnavailable | None] = {}
        """Partitions in which nothing can be started in the round at hand, and why where that is known."""
        self._failed: set[RunId] = set()

    async def run(self) -> None:
        """Compare now and then, and more often while runs wait for their turn, until drained."""
        while not self._drain.is_set():
            is_busy = await self.start_what_was_accepted()
            await pause(self._drain, min(BUSY_S, self._interval_ms / 1000) if is_busy else self._interval_ms / 1000)

    async def start_what_was_accepted(self) -> bool:
        """Start runs accepted an interval ago or earlier, of which no event is in the journal.

        A few of each tenant in turn, each tenant's oldest first; True where some have to wait for others to move on.
        """
        older_than = Millis(await self._now() - self._interval_ms)
        places = dict.fromkeys(await self._index.tenants_waiting(), OLDEST)
        busy: set[Digest] = set()
        self._closed.clear()
        while places:
            for tenant, after in list(places.items()):
                now = await self._now()  # before they are read: at that time none of them had ended
                runs = await self._index.accepted_not_started(older_than, tenant, after=after, limit=TURN, without=busy)
                if not runs:
                    del places[tenant]
                    continue
                if not await self._start_all(runs, busy, now):
                    return bool(busy)
                places[tenant] = Cursor(runs[-1].created_at, runs[-1].run_id)
        return bool(busy)

    async def _start_all(self, runs: Sequence[NewRun], busy: set[Digest], since: Millis) -> bool:
        """Start some that had not ended at `since` side by side, and note the plans of those that have to wait.

        False where no others need be tried.
        """
        if self._drain.is_set():
            return False
        runs = [run for run in runs if partition_of(run.run_id, self._partitions) not in self._closed]
        bodies = {digest: await self._plans.plan(digest) for digest in {run.plan for run in runs}}
        outcomes = await asyncio.gather(*(self._start(run, bodies[run.plan], since) for run in runs))
        busy.update(run.plan for run, outcome in zip(runs, outcomes, strict=True) if outcome == "busy")
        for run, outcome in zip(runs, outcomes, strict=True):
            if outcome in ("fenced", "refused"):
                self._closed.setdefault(partition_of(run.run_id, self._partitions), None)
        if len(self._closed) < self._partitions:
            return True
        for why in self._closed.values():
            if why is not None:
                raise why
        return False

    async def _start(self, run: NewRun, plan: bytes | None, since: Millis) -> StartOutcome | None:
        """Start one that had not ended at `since`; None where something is wrong with it."""
        assert plan is not None, "a foreign key sees to it"
        try:
            outcome = await self._starter.start(run.head(), plan, since)
        except ServerUnavailable as lost:
            # The runs of other partitions are not to wait for it.
            self._closed[partition_of(run.run_id, self._partitions)] = lost
            return None
        except Exception as wrong:
            # Whatever is wrong with this run, those behind it are not to wait for it.
            self._complain(run, wrong)
            return None
        if outcome == "started":
            log.info("run_started_late", run_id=run.run_id)
            self._metrics.runs_reconciled.inc()
        return outcome

    def _complain(self, run: NewRun, wrong: Exception) -> None:
        """Say once that a run cannot be started; it is tried again all the same."""
        if run.run_id not in self._failed:
            self._failed.add(run.run_id)
            log.error("start_failed", run_id=run.run_id, reason=str(wrong), exc_info=wrong)
