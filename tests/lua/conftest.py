"""A partition on a real server, and a second client that looks at it as an operator does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource

FillMemory = Callable[[], Awaitable[None]]


@pytest.fixture
async def partition(redis_db: str) -> AsyncIterator[Partition]:
    """An opened partition of an empty server."""
    opened = await Partition.open(redis_db)
    yield opened
    await opened.aclose()


@pytest.fixture
def store(partition: Partition) -> RedisRunStore:
    """The run store on it."""
    return RedisRunStore(partition)


@pytest.fixture
async def source(partition: Partition) -> AsyncIterator[RedisSignalSource]:
    """The signals as consumer `c1` sees them."""
    made = RedisSignalSource(partition, "c1")
    yield made
    await made.aclose()


@pytest.fixture
async def operator(redis_db: str) -> AsyncIterator[Redis]:
    """Another client."""
    client = Redis.from_url(redis_db, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def fill_memory(operator: Redis) -> AsyncIterator[FillMemory]:
    """Makes the server's memory full for the rest of the test."""

    async def fill() -> None:
        await operator.config_set("maxmemory", 1)

    yield fill
    await operator.config_set("maxmemory", 0)
