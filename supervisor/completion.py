"""Completion: a run that ended leaves Redis, but only once Postgres has its end, and only if it is really over."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from pointsman.base.crashpoints import Crasher
from pointsman.base.ids import RunId
from pointsman.metrics import Metrics
from pointsman.ports.run_index import RunIndex
from pointsman.ports.run_store import RunStore
from pointsman.protocol.state import RunStatus

log = structlog.get_logger()


class Completion:
    """Double-checks runs whose final event is in the journal, and removes their keys."""

    def __init__(self, store: RunStore, index: RunIndex, metrics: Metrics, crasher: Crasher) -> None:
        self._store = store
        self._index = index
        self._metrics = metrics
        self._crasher = crasher

    async def settle(self, ended: Mapping[RunId, RunStatus]) -> None:
        """Clean up after runs that ended. Doing it twice is harmless; what does not fit is an alarm, and left alone."""
        if not ended:
            return
        final = await self._index.final(list(ended))
        self._crasher.reach("between_final_row_and_cleanup")
        over = [run for run in ended if run in final]
        removed = dict(zip(over, await self._store.finish(over), strict=True))
        for run, status in ended.items():
            if removed.get(run):
                self._metrics.runs_final.labels(status).inc()
            else:
                await self._complain(run, has_row=run in final)

    async def _complain(self, run: RunId, *, has_row: bool) -> None:
        """Say what is wrong with a run that Redis or Postgres does not take for ended."""
        self._metrics.completion_mismatches.inc()
        found = (await self._store.load([run])).get(run)
        log.error(
            "completion_mismatch",
            run_id=run,
            final_in_postgres=has_row,
            status=found.head.status if found else "",
            open_tokens=sorted(found.tokens) if found else [],
        )
