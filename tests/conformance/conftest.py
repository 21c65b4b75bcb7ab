"""Each test of a port runs against every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from tests.conformance.partitioned import PartitionedWorld
from tests.conformance.worlds import MemoryWorld, RedisWorld, World
from tests.support.servers import open_fences

PARTITIONS = 16


@pytest.fixture(params=["memory", "redis", "partitions"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world in which nothing has happened yet."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    opened = await _on_redis(request.getfixturevalue("redis_db"), is_divided=request.param == "partitions")
    yield opened
    await opened.aclose()


async def _on_redis(url: str, *, is_divided: bool) -> RedisWorld | PartitionedWorld:
    if not is_divided:
        return RedisWorld(await Partition.open(url))
    open_fences(url, PARTITIONS)
    return PartitionedWorld(await Partitions.open(url, PARTITIONS))
