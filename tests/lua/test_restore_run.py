"""restore_run and drop_run: what the conformance suite does not see of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest
from pointsman.ports.recovery import Rebuilt
from tests.support.stories import PLAN, PLAN_BODY, Story

EARLIER: Final = Digest("c" * 64)
LATER: Final = 4_000_000_000


async def closed(partition: Partition) -> RedisRecovery:
    """A partition behind its fence."""
    recovery = RedisRecovery(partition)
    await recovery.close(LATER)
    return recovery


def rebuilt(run: str = "run_1", *plans: Digest) -> Rebuilt:
    """A run with two tasks out, as it was after its start."""
    story = Story(run, "a", "b")
    return Rebuilt(story.snapshot, {":x": b"2 5 1"}, plans, story.first)


async def test_a_restored_run_has_all_the_plans_it_ever_had(partition: Partition, operator: Redis) -> None:
    # Given two plans that were stored for an hour
    recovery = await closed(partition)
    await recovery.put_plan(PLAN, PLAN_BODY)
    await recovery.put_plan(EARLIER, b"{}")
    # When a run is restored that has had both, and one that has had one
    await recovery.restore([rebuilt("run_1", EARLIER), rebuilt("run_2")])
    # Then they stay as long as the runs do
    assert await operator.hgetall("wf.plans") == {PLAN: "2", EARLIER: "1"}
    assert [await operator.ttl(f"plan:{digest}") for digest in (PLAN, EARLIER)] == [-1, -1]
    assert (await operator.get("ir:run_1"), await operator.hget("run:run_1", "plans")) == (PLAN, EARLIER)
    assert await operator.hexists("run:run_2", "plans") is False


async def test_workers_find_their_group_on_the_streams_of_restored_tasks(partition: Partition, operator: Redis) -> None:
    recovery = await closed(partition)
    await recovery.restore([rebuilt()])
    (told,) = await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"})
    assert [fields["job_id"] for _, fields in told[1]] == ["run_1::a:1", "run_1::b:1"]
    assert await operator.smembers("wf.types") == {"function"}


async def test_what_was_left_behind_of_a_run_without_its_own_fields_goes(partition: Partition, operator: Redis) -> None:
    # Given hashes that nobody owns
    recovery = await closed(partition)
    await operator.hset("context:run_1", ":ghost", "{}")
    await operator.hset("tokens:run_1", ":ghost", "- {}")
    # When the run is restored
    await recovery.restore([rebuilt()])
    # Then it is what it was rebuilt to
    assert await RedisRunStore(partition).load([rebuilt().run.head.run_id]) == {"run_1": rebuilt().run}
    assert await operator.get("counter:run_1") == "2"


async def test_nothing_of_a_dropped_run_is_left_but_its_events(partition: Partition, operator: Redis) -> None:
    # Given a run whose tasks a worker holds
    recovery = await closed(partition)
    await recovery.put_plan(PLAN, PLAN_BODY)
    await recovery.restore([rebuilt()])
    await operator.xreadgroup("workers", "w1", {"wf.tasks.function": ">"})
    # When it is dropped
    await recovery.drop([rebuilt().run.head.run_id])
    # Then neither keys nor tasks of it are there
    assert await operator.keys("*run_1*") == []
    pending = await operator.xpending("wf.tasks.function", "workers")
    assert (await operator.xlen("wf.tasks.function"), pending["pending"]) == (0, 0)
    assert await operator.hgetall("wf.plans") == {}
    assert 3_500 < await operator.ttl(f"plan:{PLAN}") <= 3_600


Act = Callable[[RedisRecovery], Awaitable[None]]


@pytest.mark.parametrize(
    "act",
    [
        lambda recovery: recovery.restore([rebuilt("run_2")]),
        lambda recovery: recovery.drop([rebuilt().run.head.run_id]),
        lambda recovery: recovery.put_plan(EARLIER, b"{}"),
    ],
    ids=["restore", "drop", "put_plan"],
)
async def test_behind_an_open_fence_nothing_is_restored_or_dropped(partition: Partition, act: Act) -> None:
    # Given a run, and a partition that is open
    recovery, store = RedisRecovery(partition), RedisRunStore(partition)
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    before = await store.dump()
    # When somebody acts as if it were being recovered
    with pytest.raises(ServerUnavailable) as refused:
        await act(recovery)
    # Then nothing has changed
    assert refused.value.code == "SRV063"
    assert await store.dump() == before
