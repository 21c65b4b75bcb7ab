"""Whether a run that Redis does not hold ever was one: asked of Postgres, rarely, and never waited for."""

from __future__ import annotations

from typing import Protocol

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId


class Directory(Protocol):
    """What is durably known of runs."""

    async def get(self, run: RunId) -> object | None:
        """One run, None where there never was one."""
        ...


class KnownRuns:
    """Tells late signals from wrong ones. Without Postgres, or while it is away, every signal counts as late."""

    def __init__(self, directory: Directory | None) -> None:
        self._directory = directory

    async def was_open(self, run: RunId) -> bool:
        """Whether a signal for `run` may be a late one. Redis holds no such run, so nothing rests on the answer."""
        if self._directory is None:
            return True
        try:
            return await self._directory.get(run) is not None
        except ServerUnavailable:
            return True
