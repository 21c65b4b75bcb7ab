"""Backlog: how much stands on each stream, and which tasks wait for a worker that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from pointsman.metrics import Metrics
from pointsman.ports.backlog import Backlog, TaskBacklog
from pointsman.service import pause

log = structlog.get_logger()

MEASURE_EVERY_S: Final = 2.0


class BacklogGauges:
    """Keeps the gauges of the streams. Each supervisor keeps its own."""

    def __init__(self, backlog: Backlog, drain: asyncio.Event, metrics: Metrics) -> None:
        self._backlog = backlog
        self._drain = drain
        self._metrics = metrics
        self._unserved: frozenset[str] = frozenset()
        self._waiting: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Measure now and then, until drained."""
        while not self._drain.is_set():
            await self.measure()
            await pause(self._drain, MEASURE_EVERY_S)

    async def measure(self) -> None:
        """Set the gauges."""
        for stream, entries in (await self._backlog.streams()).items():
            self._metrics.backlog.labels(stream).set(entries)
        tasks = await self._backlog.tasks()
        for of_type in tasks:
            self._metrics.backlog.labels(f"tasks:{of_type.type}").set(of_type.entries)
        self._tell_who_waits(tasks)

    def _tell_who_waits(self, tasks: Sequence[TaskBacklog]) -> None:
        """A type waits for a worker when two measurements in a row found it so: a worker may just have been busy."""
        unserved = frozenset(of_type.type for of_type in tasks if of_type.unread and not of_type.is_served)
        waiting = unserved & self._unserved
        for of_type in tasks:
            self._metrics.waiting_for_worker.labels(of_type.type).set(of_type.unread if of_type.type in waiting else 0)
        for name in sorted(waiting - self._waiting):
            log.warning("waiting_for_worker", type=name)
        self._unserved, self._waiting = unserved, waiting
