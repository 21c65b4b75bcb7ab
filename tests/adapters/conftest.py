"""A Redis that a test may kill, and a partition on the session's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.embedded.redis import EmbeddedRedis


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
async def operator(redis_db: str) -> AsyncIterator[Redis]:
    """Another client."""
    client = Redis.from_url(redis_db, decode_responses=True)
    yield client
    await client.aclose()
