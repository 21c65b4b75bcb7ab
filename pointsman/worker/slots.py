"""How many tasks a worker handles at the same time."""

from __future__ import annotations

import asyncio


class Slots:
    """Counts what is free; the one reader waits here until something is."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._freed = asyncio.Event()

    def take(self) -> None:
        """Occupy one."""
        self.free -= 1

    def give(self) -> None:
        """Free one."""
        self.free += 1
        self._freed.set()

    async def some(self) -> int:
        """How many are free, at least one."""
        while self.free < 1:
            self._freed.clear()
            await self._freed.wait()
        return self.free
