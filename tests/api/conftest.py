"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.settings import Settings
from tests.api.room import Room, journalled, room_on, settings_of
from tests.support.databases import database, migrated_template, pool
from tests.support.servers import open_fences

__all__ = ["database", "migrated_template", "pool", "room", "settings"]


@pytest.fixture
def partitions(request: pytest.FixtureRequest) -> int:
    """How many partitions there are: one, but for tests that are marked `in_partitions`."""
    return int(getattr(request, "param", 1))


@pytest.fixture
def settings(database: str, redis_db: str, tmp_path: Path, partitions: int) -> Settings:
    """The settings of an API on empty servers."""
    open_fences(redis_db, partitions)
    return settings_of(database, redis_db, tmp_path, partitions=partitions)


@pytest.fixture
async def room(settings: Settings) -> AsyncIterator[Room]:
    """An API on empty servers, and its journal."""
    async with room_on(settings) as room, journalled(room):
        yield room
