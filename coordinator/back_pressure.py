"""Back-pressure: while the journal cannot keep up and memory runs out, signals stay where they are."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from pointsman.ports.congestion import HARD_LIMIT, Congestion
from pointsman.service import pause

log = structlog.get_logger()

MOST_UNWRITTEN: Final = 1_000
"""Events that are no sign of a journal which is behind: it writes that many in a moment, of all partitions together."""
LOOK_AGAIN_S: Final = 0.5


class BackPressure:
    """Holds a coordinator back. Everything it would have taken stands on the stream until it goes on."""

    def __init__(self, congestion: Congestion, drain: asyncio.Event, partitions: int = 1) -> None:
        """Of one partition of so many."""
        self._congestion = congestion
        self._most_unwritten = MOST_UNWRITTEN // partitions
        self._drain = drain

    async def pass_when_there_is_room(self) -> None:
        """Wait until another batch may be taken, or the process drains."""
        if not await self._is_too_full():
            return
        log.error("journal_behind_and_memory_full", unwritten=await self._congestion.unwritten())
        while not self._drain.is_set() and await self._is_too_full():
            await pause(self._drain, LOOK_AGAIN_S)

    async def _is_too_full(self) -> bool:
        congestion = self._congestion
        return await congestion.memory() > HARD_LIMIT and await congestion.unwritten() > self._most_unwritten
