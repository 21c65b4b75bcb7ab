"""Reclaim: what a dead worker held is reported to its runs, which hand it out again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, Protocol

import structlog

from pointsman.metrics import Metrics
from pointsman.service import pause

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
"""How long after the end of its lease a dead worker may go unnoticed."""


class Workers(Protocol):
    """The registered workers."""

    async def lost(self) -> Mapping[str, Collection[str]]:
        """Workers whose lease has ended, with their task types."""
        ...

    async def report_lost(self, consumer: str, types: Collection[str]) -> int:
        """Send `worker_lost` for what a dead worker holds; how many tasks that were. Then none: it is forgotten."""
        ...


class Reclaim:
    """Looks for dead workers. Any number of supervisors may: reporting one is atomic."""

    def __init__(self, workers: Workers, drain: asyncio.Event, metrics: Metrics) -> None:
        self._workers = workers
        self._drain = drain
        self._metrics = metrics

    async def run(self) -> None:
        """Look now and then, until drained."""
        while not self._drain.is_set():
            for consumer, types in (await self._workers.lost()).items():
                await self._report(consumer, types)
            await pause(self._drain, LOOK_EVERY_S)

    async def _report(self, consumer: str, types: Collection[str]) -> None:
        held = await self._workers.report_lost(consumer, types)
        if held:
            log.warning("worker_lost", consumer=consumer, types=sorted(types), tasks=held)
            self._metrics.worker_lost.inc(held)
