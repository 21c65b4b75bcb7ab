"""Memory: how full Redis is, told before it is full, and loudly once it is."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import structlog

from pointsman.health import Health
from pointsman.metrics import Metrics
from pointsman.ports.congestion import SOFT_LIMIT, Congestion
from pointsman.service import pause

log = structlog.get_logger()

LOOK_EVERY_S: Final = 1.0
FULL: Final = 0.99
"""Share of the memory from which on Redis refuses what does not free any."""
_WHO: Final = "redis_memory"


class MemoryAlarm:
    """Looks at the memory of a store. Each supervisor does."""

    def __init__(self, congestion: Congestion, drain: asyncio.Event, metrics: Metrics, health: Health) -> None:
        self._congestion = congestion
        self._drain = drain
        self._metrics = metrics
        self._health = health
        self._told: Literal["", "redis_memory_short", "redis_memory_full"] = ""

    async def run(self) -> None:
        """Look now and then, until drained."""
        while not self._drain.is_set():
            await self.look()
            await pause(self._drain, LOOK_EVERY_S)

    async def look(self) -> None:
        """Set the gauge; say once when memory gets short, and once when it is full."""
        share = await self._congestion.memory()
        self._metrics.memory_share.set(share)
        if share >= FULL:
            told = f"Redis uses {share:.0%} of its maxmemory: no run is started and workers' pushes are refused"
            self._health.unready(_WHO, told)
            if self._told != "redis_memory_full":
                log.error("redis_memory_full", share=round(share, 3))
            self._told = "redis_memory_full"
            return
        self._health.ready(_WHO)
        if share > SOFT_LIMIT and self._told != "redis_memory_short":
            log.warning("redis_memory_short", share=round(share, 3))
        self._told = "redis_memory_short" if share > SOFT_LIMIT else ""
