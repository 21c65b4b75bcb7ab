"""Sharing: a supervisor serves its share of the partitions, unless others know what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from pointsman.service import pause

STAND_BACK_S: Final = 30.0
"""For how long a supervisor leaves all partitions to newer ones before it asks for its share again."""


class Sharing:
    """Holds a share again and again, until drained."""

    def __init__(self, hold: Callable[[asyncio.Event], Awaitable[None]], drain: asyncio.Event) -> None:
        """`hold` serves a share until the event is set."""
        self._hold = hold
        self._drain = drain
        self._end = asyncio.Event()

    def stand_back(self) -> None:
        """Leave what is held to others: there is something in it that only a newer release knows."""
        self._end.set()

    async def run(self) -> None:
        """Hold a share until drained, with a pause whenever it was left to others."""
        while not self._drain.is_set():
            self._end = asyncio.Event()
            draining = asyncio.create_task(self._end_when_drained(self._end))
            try:
                await self._hold(self._end)
            finally:
                draining.cancel()
            await pause(self._drain, STAND_BACK_S)

    async def _end_when_drained(self, end: asyncio.Event) -> None:
        await self._drain.wait()
        end.set()
