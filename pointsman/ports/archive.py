"""Archive: where whole runs are kept as files, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pointsman.base.ids import Millis, RunId


class Archive(Protocol):
    """Files, a directory a run: an id may be used again once its run was removed."""

    async def put(self, run: RunId, created_at: Millis, file: Path) -> str:
        """Keep a file as that run's; its name there. Doing it again replaces it."""
        ...

    async def find(self, run: RunId) -> list[str]:
        """The names of what is kept of runs of that id, the oldest run first."""
        ...

    async def get(self, name: str) -> bytes:
        """What is kept under a name. Raises `PointsmanError` ARC003 where there is nothing."""
        ...
