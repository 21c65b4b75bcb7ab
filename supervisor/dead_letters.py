"""Dead letters of signals: what was set aside in Redis is moved to Postgres, where people find it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from pointsman.base.crashpoints import Crasher
from pointsman.metrics import Metrics
from pointsman.ports.dead_letters import RejectedSignal, RejectedSource
from pointsman.service import pause

LOOK_EVERY_S: Final = 0.5
_BATCH: Final = 200


class Record(Protocol):
    """Where dead letters are kept."""

    async def record(self, signals: Sequence[RejectedSignal]) -> int:
        """Write signals down; how many were not there before."""
        ...


class RejectedSignals:
    """Moves signals. Any number of supervisors may: each becomes one letter, named by its place on the stream.

    Written first, removed afterwards: whoever dies in between leaves it on the stream, and it is found to be there.
    """

    def __init__(
        self, source: RejectedSource, letters: Record, drain: asyncio.Event, metrics: Metrics, crasher: Crasher
    ) -> None:
        self._source = source
        self._letters = letters
        self._drain = drain
        self._metrics = metrics
        self._crasher = crasher

    async def run(self) -> None:
        """Move what there is, again and again, until drained."""
        while not self._drain.is_set():
            if await self.move() < _BATCH:
                await pause(self._drain, LOOK_EVERY_S)

    async def move(self) -> int:
        """Move some; how many there were."""
        signals = await self._source.read(_BATCH)
        if signals:
            new = await self._letters.record(signals)
            self._metrics.dead_letters.labels("rejected").inc(new)
            self._crasher.reach("between_letter_and_removal")
            await self._source.remove(signals)
        return len(signals)
