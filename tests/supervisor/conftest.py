"""Fixtures of the supervisor's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.supervisor.depot import Depot, depot_on
from tests.support.databases import database, migrated_template

__all__ = ["database", "depot", "migrated_template"]


@pytest.fixture
async def depot(database: str, redis_db: str) -> AsyncIterator[Depot]:
    """Empty servers."""
    async with depot_on(database, redis_db) as depot:
        yield depot
