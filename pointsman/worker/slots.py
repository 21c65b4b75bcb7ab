"""How many tasks a worker handles at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pointsman.adapters.redis.address import Address

_RECALL_AGAIN_S: Final = 0.05
"""A reader that is asked for its slots before its read has reached Redis does not hear of it."""


class Slots:
    """Counts what is free; whoever reads tasks waits here until something is."""

    def __init__(self, size: int, readers: int = 1) -> None:
        """`readers` of them share these, if there is more than one."""
        self.free = size
        self.share = max(1, size // (2 * readers))
        """What one reader is lent."""
        self._kept = max(1, size // 4)
        """What is left free when slots are lent: some reader may have many tasks."""
        self._lent: set[Callable[[], None]] = set()
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

    async def some(self) -> int:
        """How many are free, at least one. For one reader at a time."""
        while self.free < 1:
            self._freed.clear()
            await self._freed.wait()
        return self.free

    async def reserve(self) -> int:
        """Occupy some, at least one; how many. For readers that share them: served in the order in which they ask.

        Half of what is free, so that the next one need not wait for what comes of these.
        """
        async with self._turn:
            while self.free < 1 and self._lent:
                for recall in tuple(self._lent):
                    recall()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RECALL_AGAIN_S):
                        await self.some()
            count = (await self.some() + 1) // 2
            self.free -= count
            return count

    @property
    def can_lend(self) -> bool:
        """Whether there are so many that a reader may wait with some in its hands."""
        return self.free - self.share >= self._kept

    def lend(self, recall: Callable[[], None]) -> None:
        """Occupy a share for a reader that waits with it. `recall` is called when others need it, maybe repeatedly."""
        self.free -= self.share
        self._lent.add(recall)

    def give_back(self, recall: Callable[[], None]) -> None:
        """Free what was lent."""
        self._lent.discard(recall)
        self.give(self.share)
