"""Congestion: how much more a store can take, and what stands in it unread."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

SOFT_LIMIT: Final = 0.8
"""Share of the memory above which no run is started and no large fan-out goes on, so that those that run can end."""
HARD_LIMIT: Final = 0.95
"""Share of the memory above which no signal is taken while the journal is behind: each would only add to it."""


class Congestion(Protocol):
    """A store's state of congestion. Looks are cheap: they may be a second old."""

    async def memory(self) -> float:
        """The share of the memory it may use that is in use; 0 where nothing limits it."""
        ...

    async def unwritten(self) -> int:
        """Events that the journal has not written down yet."""
        ...

    async def unread(self, types: Collection[str]) -> int:
        """Tasks that no worker has taken yet, of the one of these types that has the most."""
        ...
