"""Archived runs in the blob store: `archive/run=<id>/<created_at>.jsonl` beside the blobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import obstore

from pointsman.adapters.blobs.store import FAILED, open_store, unavailable
from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Millis, RunId


class ObjectArchive:
    """The adapter of `pointsman.ports.archive.Archive`; the docstrings there hold here."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = open_store(url)

    async def put(self, run: RunId, created_at: Millis, file: Path) -> str:
        """Keep a file as that run's."""
        name = f"{_directory(run)}/{created_at:014}.jsonl"
        try:
            await asyncio.to_thread(obstore.put, self._store, name, file)
        except FAILED as why:
            raise unavailable(self._url, why) from why
        return name

    async def find(self, run: RunId) -> list[str]:
        """The names of what is kept of runs of that id."""
        try:
            return await asyncio.to_thread(self._names, run)
        except FAILED as why:
            raise unavailable(self._url, why) from why

    async def get(self, name: str) -> bytes:
        """What is kept under a name."""
        try:
            return await asyncio.to_thread(self._load, name)
        except FileNotFoundError:
            raise PointsmanError("ARC003", f"there is no {name} in {self._url}; nothing was read.") from None
        except FAILED as why:
            raise unavailable(self._url, why) from why

    def _names(self, run: RunId) -> list[str]:
        return sorted(found["path"] for page in obstore.list(self._store, _directory(run)) for found in page)

    def _load(self, name: str) -> bytes:
        return bytes(obstore.get(self._store, name).bytes())


def _directory(run: RunId) -> str:
    # With a prefix, since `.` and `..` are ids, too.
    return f"archive/run={run}"
