"""Runs that somebody else has moved: their signals are stepped again beside the batches that follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from coordinator.reading import Reported
from pointsman.base.ids import RunId

MOST: Final = 256
"""Signals that may be aside while further batches are taken."""

Round = Callable[[list[Reported]], Awaitable[list[Reported]]]
"""Steps and applies once; what has to be stepped again comes back."""


class Aside:
    """Signals to be stepped again, by run and in order: no batch waits for them, but for those of the same runs."""

    def __init__(self, again: Round) -> None:
        self._again = again
        self._waiting: dict[RunId, list[Reported]] = {}
        self._task: asyncio.Task[None] | None = None

    async def others(self, reports: Sequence[Reported]) -> list[Reported]:
        """Those of runs of which nothing is here; the rest stays, lest signals of one run overtake each other.

        Raises what kept earlier ones from being stepped again.
        """
        if sum(map(len, self._waiting.values())) > MOST or (self._task is not None and self._task.done()):
            await self.settle()
        others: list[Reported] = []
        for report in reports:
            self._waiting.get(report.run_id, others).append(report)
        return others

    def take(self, reports: Sequence[Reported]) -> None:
        """Step these again, as often as it takes."""
        for report in reports:
            self._waiting.setdefault(report.run_id, []).append(report)
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._see_to_them())

    async def settle(self) -> None:
        """Wait until nothing is here. Raises, once, what kept it from being so.

        Nothing is here after that either: what was stands on the stream unacknowledged, and is claimed from there.
        """
        if self._task is not None:
            try:
                await self._task
            except BaseException:
                self._task = None
                self._waiting.clear()
                raise

    async def _see_to_them(self) -> None:
        while self._waiting:
            begun = list(self._waiting)
            reports = [report for run in begun for report in self._waiting[run]]
            self._waiting |= {run: [] for run in begun}
            left: dict[RunId, list[Reported]] = {}
            for report in await self._again(reports):
                left.setdefault(report.run_id, []).append(report)
            for run in begun:
                left.setdefault(run, []).extend(self._waiting.pop(run))
            self._waiting |= {run: found for run, found in left.items() if found}
        self._task = None
