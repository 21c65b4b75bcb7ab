"""Retention: what ended long ago, runs above all, is removed from Postgres, a few at a time, by one supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis, RunId
from pointsman.metrics import Metrics
from pointsman.ports.retention import FIRST, Ended, Retention
from pointsman.ports.run_store import RunStore
from pointsman.service import pause

log = structlog.get_logger()

DAY_MS: Final = 86_400_000
LOOK_EVERY_S: Final = 60.0
ASK_EVERY_S: Final = 5.0
"""While somebody else removes things: another supervisor, or the sweep of blobs of this one, which is soon done."""
BATCH: Final = 50
"""Runs, definitions or plans removed in one transaction."""
SWEEP_EVERY_S: Final = 3_600.0
"""So often definitions and plans are looked for that nothing refers to: all there are are looked at."""
KEYS: Final = 1_000
"""Idempotency keys forgotten in one statement."""
LETTERS: Final = 1_000
"""Dead letters of no run removed in one statement."""
REST: Final = 3
"""After each batch, so many times as long as it took: what is cleaned up takes a quarter of one connection at most."""


class Archivist(Protocol):
    """Writes runs down before they are removed; `pointsman.execute.archiving.Archivist` does."""

    async def keep(self, run: RunId) -> str:
        """Write a run down whole, and say where; writing it again changes nothing."""
        ...


class Clearing:
    """Removes what is kept no longer. Any number of supervisors may: one at a time does."""

    def __init__(
        self,
        records: Retention,
        store: RunStore,
        archivist: Archivist | None,
        drain: asyncio.Event,
        metrics: Metrics,
        *,
        keep_ms: int,
    ) -> None:
        self._records = records
        self._store = store
        self._archivist = archivist
        self._drain = drain
        self._metrics = metrics
        self._keep_ms = keep_ms
        self._swept: float | None = None
        """When unused definitions and plans were last looked for."""

    async def run(self) -> None:
        """Clear up now and then, until drained."""
        while not self._drain.is_set():
            async with self._records.held() as is_ours:
                if is_ours:
                    await self.clear()
            await pause(self._drain, LOOK_EVERY_S if is_ours else ASK_EVERY_S)

    async def clear(self) -> None:
        """Remove everything that is kept no longer. Only who holds the records may."""
        # Keys first: one that named a run which is gone would be answered with nothing.
        while not self._drain.is_set() and await self._records.forget_keys(self._keep_ms, KEYS) == KEYS:
            pass
        await self._sweep_documents()
        before, after, removed = Millis(await self._store.now() - self._keep_ms), FIRST, 0
        while not self._drain.is_set() and await self._records.remove_letters(before, LETTERS) == LETTERS:
            pass
        while not self._drain.is_set() and (found := await self._records.expired(before, after, BATCH)):
            began = monotonic()
            removed += await self._remove(found, before)
            after = found[-1]
            await pause(self._drain, REST * (monotonic() - began))
        if removed:
            log.info("runs_removed", runs=removed, ended_before=before)

    async def _sweep_documents(self) -> None:
        """Remove definitions and plans that nothing has referred to since the hour before.

        This comes before runs are removed: whoever has just read one of those, to fork it or to publish what it was
        edited to, has until the next time.
        """
        now = monotonic()
        if self._swept is not None and now - self._swept < SWEEP_EVERY_S:
            return
        self._swept = now
        while not self._drain.is_set() and await self._records.remove_documents(DAY_MS, BATCH) == BATCH:
            await pause(self._drain, REST * (monotonic() - now))
            now = monotonic()

    async def _remove(self, found: Sequence[Ended], before: Millis) -> int:
        runs = [RunId(each.run_id) for each in found]
        # A run that Redis still holds is not cleaned up after yet: whoever does that wants its final row.
        held = await self._store.load(runs)
        going = [run for run in runs if run not in held and await self._is_kept(run)]
        removed = await self._records.remove(going, before)
        self._metrics.runs_removed.inc(removed)
        return removed

    async def _is_kept(self, run: RunId) -> bool:
        """Whether a run is in the archive now, where there is one. One that cannot be written there is not removed."""
        if self._archivist is None:
            return True
        try:
            await self._archivist.keep(run)
        except ServerUnavailable:
            raise
        except Exception as wrong:
            # Whatever is wrong with this run, those behind it are not to wait for it.
            self._metrics.archive_failures.inc()
            log.error("archive_failed", run_id=run, reason=str(wrong), exc_info=wrong)
            return False
        return True
