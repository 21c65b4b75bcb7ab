"""Timers: what is due becomes a signal."""

from __future__ import annotations

import asyncio
from typing import Final

from pointsman.metrics import Metrics
from pointsman.ports.run_store import RunStore
from pointsman.service import pause

RESOLUTION_S: Final = 0.02
"""How late a timer may be noticed. One look at the clock costs 25 µs of CPU, Redis included: 0.13 % of a core."""


class Timers:
    """Fires timers. Any number of supervisors may: the store hands each due timer out once."""

    def __init__(self, store: RunStore, drain: asyncio.Event, metrics: Metrics, *, batch: int) -> None:
        self._store = store
        self._drain = drain
        self._metrics = metrics
        self._batch = batch

    async def run(self) -> None:
        """Fire what is due, look again at once if there may be more, and shortly if not, until drained."""
        while not self._drain.is_set():
            fired = await self._store.fire_timers(self._batch)
            self._metrics.timers_fired.inc(fired)
            if fired < self._batch:
                await pause(self._drain, RESOLUTION_S)
