"""Worker leases."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.workers import Holding, WorkerRegistry
from pointsman.ports.run_store import Link
from tests.support.stories import PLAN_BODY, Story
from tests.support.waiting import eventually


@pytest.fixture
def registry(partition: Partition) -> WorkerRegistry:
    return WorkerRegistry(partition)


async def test_a_registered_worker_is_alive_until_its_lease_ends(registry: WorkerRegistry, operator: Redis) -> None:
    # Given two workers, one with a short lease
    await registry.register("w1", ["function", "agent"], 60_000)
    await registry.register("w2", ["function"], 1)
    # When the short lease is over
    lost = await eventually(registry.lost)
    # Then that worker is lost, with what it served
    assert lost == {"w2": ("function",)}
    assert await registry.registered() == {"w1": ("agent", "function"), "w2": ("function",)}
    # And an operator sees it
    assert await operator.hgetall("wf.workers") == {"w1": "agent function", "w2": "function"}
    assert await operator.pttl("worker:w1") > 50_000


async def test_a_worker_that_registers_finds_the_group_of_its_stream(registry: WorkerRegistry, operator: Redis) -> None:
    # Given no task of its type so far
    # When a worker registers
    await registry.register("w1", ["agent"], 60_000)
    # Then it can read at once
    assert await operator.xreadgroup("workers", "w1", {"wf.tasks.agent": ">"}) == []


async def test_renewing_tells_which_tasks_are_no_longer_the_workers(
    partition: Partition, registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a worker with three tasks
    store, story = RedisRunStore(partition), Story("run_1", "a", "b", "c")
    await store.start(story.first, PLAN_BODY)
    await registry.register("w1", ["function"], 60_000)
    ((_, entries),) = await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"})
    held = [Holding("function", entry) for entry, _ in entries]
    all_held = await registry.renew("w1", 60_000, held)
    # When one is cancelled, another handed to somebody else, and the lease renewed
    await store.apply([Link(story.tell(closed=(":a",), withdrawn={":a": "function"}))])
    await operator.xclaim("wf.tasks.function", "workers", "w2", 0, [held[1].entry])
    gone = await registry.renew("w1", 120_000, held)
    # Then the worker knows which to stop
    assert all_held == []
    assert gone == held[:2]
    assert await operator.pttl("worker:w1") > 100_000


async def test_a_worker_taken_for_dead_learns_that_it_must_register_again(
    registry: WorkerRegistry, operator: Redis
) -> None:
    # Given a worker that was forgotten
    await registry.register("w1", ["function"], 60_000)
    await registry.unregister("w1")
    # When it renews
    renewed = await registry.renew("w1", 60_000)
    # Then it is told, and has no lease
    assert renewed is None
    assert await operator.exists("worker:w1") == 0


async def test_a_worker_that_ends_in_good_order_leaves_nothing(registry: WorkerRegistry, operator: Redis) -> None:
    # Given a registered worker
    await registry.register("w1", ["function"], 60_000)
    # When it ends
    await registry.unregister("w1")
    # Then it is neither registered nor lost
    assert (await registry.registered(), await registry.lost()) == ({}, {})
    assert await operator.exists("wf.workers", "worker:w1") == 0


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a\n", "x" * 201])
async def test_a_worker_cannot_be_called_what_would_spoil_a_signal(registry: WorkerRegistry, name: str) -> None:
    # Given a name that JSON would have to escape, or that is none
    # When a worker registers with it
    # Then it cannot
    with pytest.raises(ValueError, match="a worker cannot be called"):
        await registry.register(name, ["function"], 60_000)
