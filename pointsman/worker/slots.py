"""How many tasks a worker handles at the same time."""

from __future__ import annotations

import asyncio

from pointsman.adapters.redis.address import Address


class Slots:
    """Counts what is free; whoever reads tasks waits here until something is."""

    def __init__(self, size: int) -> None:
        self.free = size
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.silent: set[Address] = set()
        """Servers that slots were last reserved for in vain: whoever wants some for them hears from them first."""

    def take(self) -> None:
        """Occupy one."""
        self.free -= 1

    def give(self, count: int = 1) -> None:
        """Free one, or what was reserved."""
        self.free += count
        self._freed.set()

    async def reserve(self) -> int:
        """Occupy some, at least one; how many. For readers that share them: served in the order in which they ask.

        Half of what is free, so that the next one need not wait for what comes of these.
        """
        async with self._turn:
            count = (await self.some() + 1) // 2
            self.free -= count
            return count

    async def some(self) -> int:
        """How many are free, at least one. For one reader at a time."""
        while self.free < 1:
            self._freed.clear()
            await self._freed.wait()
        return self.free
