"""Each test of a port runs against every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pointsman.adapters.redis.partition import Partition
from tests.conformance.worlds import MemoryWorld, RedisWorld, World


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world in which nothing has happened yet."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    redis = RedisWorld(await Partition.open(request.getfixturevalue("redis_db")))
    yield redis
    await redis.aclose()
