"""A Redis that a test may kill, and a partition on the session's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.embedded.redis import EmbeddedRedis
from tests.support.servers import open_fences

COUNT = 16


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    """A server of this module's own."""
    with TemporaryDirectory(prefix="pointsman-test-") as directory, EmbeddedRedis(Path(directory)) as started:
        yield started


@pytest.fixture
async def partition(redis_db: str) -> AsyncIterator[Partition]:
    """An opened partition of an empty server."""
    opened = await Partition.open(redis_db)
    yield opened
    await opened.aclose()


@pytest.fixture
async def partitions(redis_db: str) -> AsyncIterator[Partitions]:
    """Sixteen open partitions of an empty server."""
    open_fences(redis_db, COUNT)
    opened = await Partitions.open(redis_db, COUNT)
    yield opened
    await opened.aclose()


@pytest.fixture
async def operator(redis_db: str) -> AsyncIterator[Redis]:
    """Another client."""
    client = Redis.from_url(redis_db, decode_responses=True)
    yield client
    await client.aclose()
