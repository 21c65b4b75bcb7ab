"""Retention: the runs that are kept no longer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from pointsman.base.ids import Millis, RunId


class Ended(NamedTuple):
    """A run that ended, and when: also a place in the list of them."""

    ended_at: int
    run_id: str


FIRST = Ended(-1, "")


class Retention(Protocol):
    """What is durably known of runs that ended, as somebody sees it who may remove them."""

    def held(self) -> AbstractAsyncContextManager[bool]:
        """Be the one that removes runs; False where somebody else is."""
        ...

    async def expired(self, before: Millis, after: Ended, limit: int) -> list[Ended]:
        """Runs that ended before that and may be removed, oldest end first.

        Not those that an edit of a fleet names which is not over, or that an open run was forked from.
        """
        ...

    async def remove(self, runs: Sequence[RunId], before: Millis) -> int:
        """Remove runs with all that belongs to them, those that may still be removed; how many those were."""
        ...

    async def remove_letters(self, before: Millis, limit: int) -> int:
        """Remove dead letters older than that of which no run is known, at most `limit`; how many there were."""
        ...

    async def remove_documents(self, unused_ms: int, limit: int) -> int:
        """Remove definitions and plans that were last stored longer ago than that, and that nothing refers to; at most
        `limit` of each. How many of that which there were more of."""
        ...

    async def forget_keys(self, keep_ms: int, limit: int) -> int:
        """Forget idempotency keys older than that, at most `limit`; how many there were."""
        ...
