"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pointsman.settings import Settings
from tests.api.room import Room, journalled, room_on, settings_of
from tests.support.databases import database, migrated_template, pool

__all__ = ["database", "migrated_template", "pool", "room", "settings"]


@pytest.fixture
def settings(database: str, redis_db: str, tmp_path: Path) -> Settings:
    """The settings of an API on empty servers."""
    return settings_of(database, redis_db, tmp_path)


@pytest.fixture
async def room(settings: Settings) -> AsyncIterator[Room]:
    """An API on empty servers, and its journal."""
    async with room_on(settings) as room, journalled(room):
        yield room
