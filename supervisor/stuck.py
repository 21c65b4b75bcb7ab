"""The stuck detector: an open run that waits for nothing is a bug, and says so before its owner has to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from pointsman.base.clock import monotonic
from pointsman.base.ids import JobId, Millis, RunId
from pointsman.metrics import Metrics
from pointsman.ports.pulse import UNSEEN, Pulse, Pulses
from pointsman.ports.run_index import OLDEST, QuietRun, RunIndex
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.service import pause
from pointsman.step.stuck import why_stuck

log = structlog.get_logger()

_PAGE: Final = 200
LOOKS: Final = 2
"""How often within the time that a run may be still it is looked at; and how often in a row it must be found stuck."""
REST: Final = 4
"""How much longer than it has looked it rests: that takes a fifth of its time at most, however many runs there are."""
UNHEARD: Final = "signals for it wait, and no coordinator acts upon them"
UNHEARD_MS: Final = 60_000
"""Longer than it takes to claim what a dead coordinator held."""


class Marks(Protocol):
    """Where it is written down which runs are stuck."""

    async def mark(self, stuck: Mapping[RunId, str]) -> None:
        """These are stuck, each with the reason, and no others."""
        ...


class Pushing(Protocol):
    """Takes signals, as from workers."""

    async def push(self, *signals: bytes) -> None:
        """Push signals."""
        ...


class Stuck:
    """Looks at runs that have been quiet for long. Any number of supervisors may: they find the same."""

    def __init__(
        self,
        pulses: Pulses,
        index: RunIndex,
        marks: Marks,
        signals: Pushing,
        now: Callable[[], Awaitable[Millis]],
        drain: asyncio.Event,
        metrics: Metrics,
        *,
        stuck_after_ms: int,
    ) -> None:
        self._pulses = pulses
        self._index = index
        self._marks = marks
        self._signals = signals
        self._now = now
        self._drain = drain
        self._metrics = metrics
        self._stuck_after_ms = stuck_after_ms
        self._seen: dict[RunId, str] = {}
        self._known: dict[RunId, str] = {}

    async def run(self) -> None:
        """Look twice in the time that a run may be still unnoticed, until drained; with very many runs less often."""
        while not self._drain.is_set():
            began = monotonic()
            await self.look()
            await pause(self._drain, max(self._stuck_after_ms / 1000 / LOOKS, REST * (monotonic() - began)))

    async def look(self) -> None:
        """Find the runs that are stuck: those that were so when it was looked last. What is new is logged.

        A run for which a signal waits is not stuck, unless that has waited for very long.
        """
        since = Millis(await self._now() - self._stuck_after_ms)
        waiting = await self._pulses.waiting(since)
        if waiting is None:
            return
        found = await self._stuck(since, waiting)
        stuck = {run: reason for run, reason in found.items() if run in self._seen}
        self._seen = found
        for run, reason in stuck.items():
            if self._known.get(run) != reason:
                log.error("run_stuck", run_id=run, reason=reason)
        self._known = stuck
        self._metrics.stuck_runs.set(len(stuck))
        await self._marks.mark(stuck)

    async def _stuck(self, since: Millis, waiting: Mapping[RunId, Millis]) -> dict[RunId, str]:
        found: dict[RunId, str] = {}
        after = OLDEST
        while quiet := await self._index.quiet(since, after=after, limit=_PAGE):
            judged = {RunId(run.cursor.run_id): run.seq for run in quiet if run.cursor.run_id not in waiting}
            found |= await self._stuck_among(judged, since)
            found |= {RunId(run.cursor.run_id): UNHEARD for run in quiet if _is_unheard(run, waiting, since)}
            after = quiet[-1].cursor
        return found

    async def _stuck_among(self, quiet: Mapping[RunId, int], since: Millis) -> dict[RunId, str]:
        pulses = await self._pulses.of(list(quiet), since)
        reasons = {run: _why(pulses.get(run), seq, since) for run, seq in quiet.items()}
        found = {run: reason for run, reason in reasons.items() if reason}
        still = [pulse for run, pulse in pulses.items() if pulse.seq == quiet[run]]
        await self._hand_out_again([job for pulse in still for job in pulse.lost])
        # One that ended after it was listed is not in Redis any more, and that is as it should be.
        ended = await self._index.final([run for run in found if run not in pulses])
        return {run: reason for run, reason in found.items() if run not in ended}

    async def _hand_out_again(self, lost: Sequence[JobId]) -> None:
        """Tell runs that a task of theirs is gone. Told twice, one attempt follows: by then the one named is over."""
        for job in lost:
            log.warning("task_lost", job_id=job)
        self._metrics.tasks_lost.inc(len(lost))
        if lost:
            await self._signals.push(*(encode_wire(WireSignal("task_lost", job_id=job)) for job in lost))


def _is_unheard(run: QuietRun, waiting: Mapping[RunId, Millis], since: Millis) -> bool:
    first = waiting.get(RunId(run.cursor.run_id))
    return first is not None and first <= since - UNHEARD_MS


def _why(pulse: Pulse | None, journalled: int, since: Millis) -> str:
    """Why a run is stuck whose last event in the journal is number `journalled`, and older than `since`."""
    if pulse is UNSEEN:
        return ""
    if pulse is None:
        return why_stuck(None, since)
    if pulse.seq < journalled:
        return f"Redis holds it as of event {pulse.seq}, and the journal is at {journalled}"
    if pulse.seq > journalled or pulse.status != "RUNNING":
        return ""
    return why_stuck(pulse.tokens, since)
