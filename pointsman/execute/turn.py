"""Getting a turn on a run that never stands still."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.ports.run_store import RunStore

PATIENCE: Final = 3
"""Rounds that are lost to others before the run is held, and again after each hold."""
HOLD_MS: Final = 50


class Turn:
    """One writer's rounds on one run: where others are faster each time the run waits for it, at most 50 ms at once."""

    def __init__(self, store: RunStore, run_id: RunId) -> None:
        self.owner = uuid4().hex
        """What this writer's transitions come with, to pass while it holds the run."""
        self._store = store
        self._run_id = run_id
        self._missed = 0
        self._holds = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._holds:
            with suppress(ServerUnavailable):  # then it lapses by itself
                await self._store.hold(self._run_id, self.owner, 0)

    async def missed(self) -> None:
        """A round was lost: another was faster, or holds the run."""
        self._missed += 1
        if self._missed % PATIENCE == 0:
            self._holds = await self._store.hold(self._run_id, self.owner, HOLD_MS) or self._holds
