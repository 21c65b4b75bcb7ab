"""One batch of signals: stepped run by run into chains, applied in one pipeline, again for those that were stale."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from coordinator.aside import Aside
from coordinator.cache import SnapshotCache
from coordinator.fan_outs import FanOuts
from coordinator.reading import Reader, Reported, rejection
from pointsman.base.clock import monotonic
from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import PointsmanError, ServerUnavailable, SignalRejected
from pointsman.base.ids import Millis, RunId, Tip
from pointsman.execute import PlanMissing, Programs, step_with_blobs, store_large_outputs
from pointsman.metrics import Metrics
from pointsman.plan import PlanUnreadable
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.congestion import Congestion
from pointsman.ports.run_store import Link, RunStore
from pointsman.ports.signal_source import Delivery, SignalSource
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.signal import Continue
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Transition, seal
from pointsman.protocol.version import ReleaseTooOld
from pointsman.step import advance

log = structlog.get_logger()

HELD_PAUSE_S = 0.005
FENCED_PAUSE_S = 0.5
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 2.0

WasOpen = Callable[[RunId], Awaitable[bool]]
"""Whether a run that Redis does not hold ever was one: then a signal for it is late, not wrong."""


class Batch:
    """Handles batches. It keeps the cache; everything else is given."""

    def __init__(
        self,
        store: RunStore,
        source: SignalSource,
        congestion: Congestion,
        programs: Programs,
        blobs: BlobStore,
        cache: SnapshotCache,
        reader: Reader,
        metrics: Metrics,
        crasher: Crasher,
        was_open: WasOpen,
        inline_limit: int,
    ) -> None:
        self._store = store
        self._source = source
        self._fan_outs = FanOuts(source, congestion, metrics)
        self._programs = programs
        self._blobs = blobs
        self._cache = cache
        self._reader = reader
        self._metrics = metrics
        self._crasher = crasher
        self._was_open = was_open
        self._inline_limit = inline_limit
        self._aside = Aside(self._again)
        self._is_held = False

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """See every signal of a batch to its end: applied, found moot, or set aside with the reason.

        So it does with what batches that were begun before have left.
        """
        await self.begin(deliveries)
        await self._aside.settle()

    async def begin(self, deliveries: Sequence[Delivery]) -> None:
        """The same, but do not wait for what has to be stepped again: other runs may go on meanwhile."""
        pending = await self._read(deliveries)
        self._crasher.reach("after_read")
        self._aside.take(await self._once(await self._aside.others(pending)))
        # Last, as all counting is: a lone run waits for whatever stands between its signal and its transition.
        self._metrics.batch_size.observe(len(deliveries))

    async def _once(self, pending: list[Reported]) -> list[Reported]:
        """Step and apply once, as soon as the servers let; what has to be stepped again comes back."""
        pause = FIRST_PAUSE_S
        while pending:
            try:
                return await self._round(pending)
            except ServerUnavailable as wrong:
                # What was applied before the connection broke is unknown. Stepped again on fresh snapshots, a signal
                # that was taken already changes nothing and is acknowledged.
                for report in pending:
                    self._cache.drop(report.run_id)
                log.warning("server_unavailable", code=wrong.code, reason=wrong.message, waiting=len(pending))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE_S)
        return []

    async def _again(self, pending: list[Reported]) -> list[Reported]:
        if self._is_held:
            self._is_held = False
            await asyncio.sleep(HELD_PAUSE_S)
        return await self._once(pending)

    async def _read(self, deliveries: Sequence[Delivery]) -> list[Reported]:
        reported = []
        for delivery in deliveries:
            try:
                reported.append(await self._reader.read(delivery))
            except SignalRejected as wrong:
                await self._reject(delivery, wrong)
        return reported

    async def _round(self, pending: list[Reported]) -> list[Reported]:
        """Step and apply once; what has to be stepped again comes back, in order."""
        by_run: dict[RunId, list[Reported]] = {}
        for report in pending:
            by_run.setdefault(report.run_id, []).append(report)
        now = await self._store.now()
        missed = [run for run in by_run if self._cache.get(run) is None]
        fresh = await self._load(missed) if missed else frozenset[RunId]()
        chain: list[tuple[Reported, Link]] = []
        again: list[Reported] = []
        for run, reports in by_run.items():
            snapshot = self._cache.get(run)
            if snapshot is None:
                chain += await self._moot(run, reports, now)
            else:
                again += await self._step(snapshot, reports, chain, now, is_fresh=run in fresh)
        again += await self._apply(chain)
        self._metrics.cache_hits.inc(len(by_run) - len(missed))
        return again

    async def _load(self, runs: list[RunId]) -> frozenset[RunId]:
        self._metrics.cache_misses.inc(len(runs))
        loaded = await self._store.load(runs)
        for run, snapshot in loaded.items():
            self._cache.put(run, snapshot)
        return frozenset(loaded)

    async def _step(
        self,
        snapshot: Snapshot,
        reports: list[Reported],
        chain: list[tuple[Reported, Link]],
        now: Millis,
        *,
        is_fresh: bool,
    ) -> list[Reported]:
        """Extend the chain by what a run's signals change; those to look at again, on a fresh snapshot, come back."""
        for number, report in enumerate(reports):
            try:
                program = await self._programs.of(snapshot.head)
                if isinstance(report.signal, Continue) and await self._fan_outs.put_off(
                    report.delivery, snapshot, program
                ):
                    continue
                change = await step_with_blobs(program, snapshot, report.signal, now, self._blobs)
                await store_large_outputs(change, self._blobs, self._inline_limit)
            except Exception as wrong:
                if is_fresh and not number:
                    await self._refuse(report, wrong)
                    return reports[1:]
                # Only the view of what may be an outdated cache: look again before anything is set aside.
                self._cache.drop(report.run_id)
                return reports[number:]
            sealed = seal(change)
            advance(snapshot, change, sealed.tip)
            chain.append((report, Link(sealed, report.delivery.id)))
        return []

    async def _refuse(self, report: Reported, wrong: Exception) -> None:
        if isinstance(wrong, ServerUnavailable):
            raise wrong
        if isinstance(wrong, PlanMissing):
            # Nothing that can be decided now: the entry stays pending, and is looked at again.
            log.error("plan_missing", run_id=report.run_id, code=wrong.code, reason=wrong.message)
        elif isinstance(wrong, PlanUnreadable | ReleaseTooOld):
            # Not ours to decide, but a newer coordinator's.
            log.warning("signal_left_to_newer", run_id=report.run_id, code=wrong.code, reason=wrong.message)
            self._metrics.left_to_newer.inc()
            await self._source.leave(report.delivery)
        elif isinstance(wrong, PointsmanError):
            await self._reject(report.kept(), wrong)
        else:
            log.exception("step_failed", run_id=report.run_id)
            await self._reject(report.kept(), rejection(wrong))

    async def _moot(self, run: RunId, reports: list[Reported], now: Millis) -> list[tuple[Reported, Link]]:
        """Signals for a run that Redis does not hold: late ones are acknowledged, others set aside."""
        if not await self._was_open(run):
            for report in reports:
                text = f"there is no run {run}, and there never was; the signal was set aside"
                await self._reject(report.delivery, SignalRejected("SIG005", text))
            return []
        empty = Transition(run, 0, Tip(""), now, "late", reason="closed")
        return [(report, Link(seal(empty), report.delivery.id)) for report in reports]

    async def _apply(self, chain: list[tuple[Reported, Link]]) -> list[Reported]:
        if not chain:
            return []
        self._crasher.reach("before_apply")
        began = monotonic()
        outcomes = await self._store.apply([link for _, link in chain])
        self._metrics.apply_seconds.observe(monotonic() - began)
        self._crasher.reach("after_apply_before_reply")
        self._count(chain, outcomes)
        self._is_held = self._is_held or "held" in outcomes
        if "fenced" in outcomes:
            log.error("fenced", backlog=len(chain))
            await asyncio.sleep(FENCED_PAUSE_S)
        return [report for (report, link), outcome in zip(chain, outcomes, strict=True) if self._is_open(link, outcome)]

    def _is_open(self, link: Link, outcome: Outcome) -> bool:
        """Whether the signal has to be stepped again."""
        change = link.sealed.transition
        if outcome != "applied" or change.status is not None:
            self._cache.drop(change.run_id)
        return outcome in ("stale", "held", "fenced")

    def _count(self, chain: list[tuple[Reported, Link]], outcomes: list[Outcome]) -> None:
        for outcome in set(outcomes):
            self._metrics.signals.labels(outcome).inc(outcomes.count(outcome))
        applied = [link for (_, link), outcome in zip(chain, outcomes, strict=True) if outcome == "applied"]
        self._metrics.transitions.inc(sum(not link.sealed.transition.is_empty for link in applied))
        self._metrics.stale.inc(outcomes.count("stale"))

    async def _reject(self, delivery: Delivery, wrong: PointsmanError) -> None:
        self._metrics.rejected.labels(wrong.code).inc()
        log.warning("signal_rejected", code=wrong.code, reason=wrong.message)
        await self._source.reject(delivery, wrong.code, wrong.message)
