"""report_lost: dead workers' tasks are reported once, living ones' never."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.base.ids import TokenId
from pointsman.ports.run_store import Link
from pointsman.protocol.signal import WorkerLost, decode_signal
from tests.lua.conftest import FillMemory
from tests.support.stories import PLAN_BODY, Story

TYPES = ("agent", "function")


@pytest.fixture
def registry(partition: Partition) -> WorkerRegistry:
    return WorkerRegistry(partition)


async def dead_worker(store: RedisRunStore, registry: WorkerRegistry, operator: Redis, *nodes: str) -> Story:
    """A run with tasks that a registered worker has read, whose lease is over."""
    story = Story("run_1", *nodes)
    await store.start(story.first, PLAN_BODY)
    await registry.register("w1", TYPES, 60_000)
    await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"})
    await operator.delete("worker:w1")
    return story


async def reports(operator: Redis) -> list[object]:
    return [decode_signal(fields["signal"].encode()) for _, fields in await operator.xrange("wf.signals")]


async def test_what_a_dead_worker_held_is_reported_once(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a dead worker with two tasks
    story = await dead_worker(store, registry, operator, "a", "polish[1]:b")
    # When it is reported, again and again
    counts = [await registry.report_lost("w1", TYPES) for _ in range(3)]
    # Then each task was reported once, and the worker is forgotten
    assert counts == [2, 0, 0]
    lost = [WorkerLost(story.run, TokenId(token), 1, "w1") for token in (":a", "polish[1]:b")]
    assert await reports(operator) == lost
    assert await registry.registered() == {}
    assert [consumer["name"] for consumer in await operator.xinfo_consumers("wf.tasks.function", "workers")] == ["lost"]


async def test_reported_tasks_are_still_withdrawn_by_their_run(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a task that was reported
    story = await dead_worker(store, registry, operator, "a")
    await registry.report_lost("w1", TYPES)
    # When its run closes the token
    await store.apply([Link(story.tell(closed=(":a",), withdrawn={":a": "function"}))])
    # Then nobody holds it any more
    assert await operator.xlen("wf.tasks.function") == 0
    assert (await operator.xpending("wf.tasks.function", "workers"))["pending"] == 0


async def test_a_worker_that_is_alive_is_left_alone(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a worker that renewed its lease after it was taken for dead
    await dead_worker(store, registry, operator, "a")
    assert await registry.lost() == {"w1": TYPES}
    await registry.renew("w1", 60_000)
    before = await store.dump()
    # When it is reported
    count = await registry.report_lost("w1", TYPES)
    # Then nothing changes
    assert count == 0
    assert await store.dump() == before


async def test_a_consumer_that_never_registered_is_left_alone(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a plain consumer that holds a task
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    await operator.xreadgroup("workers", "shell", {"wf.tasks.function": ">"})
    before = await store.dump()
    # When it is reported
    count = await registry.report_lost("shell", TYPES)
    # Then nothing changes
    assert count == 0
    assert await store.dump() == before


async def test_an_entry_that_was_deleted_is_let_go(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a dead worker that holds an entry which somebody deleted
    await dead_worker(store, registry, operator, "a")
    await operator.xtrim("wf.tasks.function", maxlen=0)
    # When it is reported until it is forgotten
    while await registry.registered():
        await registry.report_lost("w1", TYPES)
    # Then nobody holds it
    assert (await operator.xpending("wf.tasks.function", "workers"))["pending"] == 0
    assert await reports(operator) == []


async def test_tasks_are_reported_when_memory_is_full(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a dead worker on a server without memory
    await dead_worker(store, registry, operator, "a")
    await fill_memory()
    # When it is reported
    count = await registry.report_lost("w1", TYPES)
    # Then it is
    assert count == 1
    assert await operator.xlen("wf.signals") == 1


async def test_nothing_is_reported_where_state_was_lost(
    store: RedisRunStore, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a dead worker and a lost epoch
    await dead_worker(store, registry, operator, "a")
    await operator.delete("epoch")
    before = await store.dump()
    # When it is reported
    count = await registry.report_lost("w1", TYPES)
    # Then nothing changes
    assert count == 0
    assert await store.dump() == before
