"""The events stream: it is trimmed behind the journal, and behind every other group that reads it, within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog
from redis.asyncio import Redis

from pointsman.adapters.redis import event_source
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from tests.support.stories import PLAN_BODY, Story

EVENTS = "wf.events"


@pytest.fixture
async def partition(redis_db: str) -> AsyncIterator[Partition]:
    opened = await Partition.open(redis_db)
    yield opened
    await opened.aclose()


@pytest.fixture
async def source(partition: Partition) -> AsyncIterator[RedisEventSource]:
    made = RedisEventSource(partition)
    yield made
    await made.aclose()


@pytest.fixture
async def redis(redis_db: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_db, decode_responses=True)
    yield client
    await client.aclose()


async def happen(partition: Partition, *runs: str) -> None:
    """Put an event on the stream for each run."""
    for run in runs:
        await RedisRunStore(partition).start(Story(run, "a").first, PLAN_BODY)


async def written(source: RedisEventSource) -> None:
    """Do what the journal does with what is there."""
    while events := await source.read(100, 0):
        await source.remove(events)


async def there(redis: Redis) -> list[str]:
    """The runs whose event stands on the stream."""
    return [fields["run_id"] for _, fields in await redis.xrange(EVENTS)]


async def test_what_the_journal_has_written_leaves_the_stream(
    partition: Partition, source: RedisEventSource, redis: Redis
) -> None:
    await happen(partition, "r1", "r2")
    await written(source)
    assert await there(redis) == []


async def test_a_group_that_lags_keeps_what_it_has_not_read(
    partition: Partition, source: RedisEventSource, redis: Redis
) -> None:
    # Given a group that has read one of three events, and not acknowledged it
    await happen(partition, "r1", "r2", "r3")
    await redis.xgroup_create(EVENTS, "audit", "0")
    ((_, ((first, _),)),) = await redis.xreadgroup("audit", "me", {EVENTS: ">"}, count=1)
    # When the journal has written them all
    await written(source)
    # Then all of them stay; those it has acknowledged go, with the next that the journal sees
    assert await there(redis) == ["r1", "r2", "r3"]
    await redis.xack(EVENTS, "audit", first)
    await written(source)
    assert await there(redis) == ["r2", "r3"]
    # And the group gets every one of the rest
    ((_, entries),) = await redis.xreadgroup("audit", "me", {EVENTS: ">"}, count=10)
    assert [fields["run_id"] for _, fields in entries] == ["r2", "r3"]
    await redis.xack(EVENTS, "audit", *(entry for entry, _ in entries))
    await happen(partition, "r4")
    await written(source)
    assert await there(redis) == ["r4"]


async def test_the_slowest_of_several_groups_counts(
    partition: Partition, source: RedisEventSource, redis: Redis
) -> None:
    await happen(partition, "r1", "r2")
    for group, at in (("fast", "$"), ("slow", "0")):
        await redis.xgroup_create(EVENTS, group, at)
    await written(source)
    assert await there(redis) == ["r1", "r2"]
    # And once it is gone, nothing is kept for it
    await redis.xgroup_destroy(EVENTS, "slow")
    await written(source)
    assert await there(redis) == []


async def test_another_journal_writer_takes_over_what_was_held_for_a_group(
    partition: Partition, source: RedisEventSource, redis: Redis
) -> None:
    # Given events that the journal has passed and that a group keeps there
    await happen(partition, "r1", "r2")
    await redis.xgroup_create(EVENTS, "audit", "0")
    await written(source)
    # When another writer begins, and the group is done with them
    other = RedisEventSource(partition)
    again = await other.read(100, 0)
    await redis.xgroup_setid(EVENTS, "audit", "$")
    await other.remove(again)
    # Then it sees them again, and they go
    assert [event.event.run_id for event in again] == ["r1", "r2"]
    assert await there(redis) == []
    await other.aclose()


async def test_a_group_that_never_reads_does_not_fill_the_memory(
    partition: Partition, source: RedisEventSource, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a group that reads nothing, and room for three events that only it needs
    monkeypatch.setattr(event_source, "MOST_HELD", 3)
    await redis.xgroup_create(EVENTS, "audit", "0", mkstream=True)
    # When more happen
    with structlog.testing.capture_logs() as logs:
        for number in range(6):
            await happen(partition, f"r{number}")
            await written(source)
    # Then the oldest go, what the journal has not written stays, and that is told once
    assert await there(redis) == ["r3", "r4", "r5"]
    assert [(line["event"], line["held"]) for line in logs] == [("events_dropped", 3)]
    await happen(partition, "r6", "r7")
    assert await there(redis) == ["r3", "r4", "r5", "r6", "r7"]
