"""start_run: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.ids import RunId
from tests.lua.conftest import FillMemory
from tests.support.stories import PLAN, PLAN_BODY, Story


async def test_a_run_is_readable_with_redis_cli(store: RedisRunStore, operator: Redis) -> None:
    # Given a run that has started
    story = Story("run_1", "a", metadata={"by": "ann"})
    await store.start(story.first, PLAN_BODY)
    # When an operator looks at it
    run = await operator.hgetall("run:run_1")
    # Then it says what it is
    assert run == {
        "status": "RUNNING",
        "revision": "1",
        "created_at": "1700000000000",
        "workflow": "sample",
        "plan": PLAN,
        "definition": "b" * 64,
        "engine": "cel-cpp",
        "tokens_made": "1",
        "input": '{"order":7}',
        "metadata": '{"by":"ann"}',
        "seq": "1",
        "tip": story.first.tip,
        "epoch": await operator.get("epoch"),
    }
    assert await operator.get("counter:run_1") == "1"
    assert await operator.get("ir:run_1") == PLAN


async def test_a_plan_is_stored_once_for_all_its_runs(store: RedisRunStore, operator: Redis) -> None:
    # Given a run whose plan is stored
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    # When another starts with it
    await store.start(Story("run_2", "a").first, b"the same plan, so not written")
    # Then it is counted, not written
    assert await operator.get(f"plan:{PLAN}") == PLAN_BODY.decode()
    assert await operator.hgetall("wf.plans") == {PLAN: "2"}


async def test_a_plan_that_was_about_to_go_stays_for_a_new_run(store: RedisRunStore, operator: Redis) -> None:
    # Given a plan that no run uses
    await store.put_plan(RunId("run_1"), PLAN, PLAN_BODY)
    assert await operator.ttl(f"plan:{PLAN}") > 0
    # When a run starts with it
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    # Then it stays
    assert await operator.ttl(f"plan:{PLAN}") == -1


async def test_no_run_is_begun_when_memory_is_full(
    store: RedisRunStore, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a store that has just seen that there is memory, and a server that has none since
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    before = await store.dump()
    await fill_memory()
    # When a run is started
    outcome = await store.start(Story("run_2", "a").first, PLAN_BODY)
    # Then it is refused whole
    assert outcome == "refused"
    assert await store.dump() == before


async def test_no_run_is_begun_when_memory_is_nearly_full(store: RedisRunStore, operator: Redis) -> None:
    # Given a server that uses nine tenths of its memory
    used = int((await operator.info("memory"))["used_memory"])
    await operator.config_set("maxmemory", used * 10 // 9)
    # When a run is started
    outcome = await store.start(Story("run_1", "a").first, PLAN_BODY)
    await operator.config_set("maxmemory", 0)
    # Then it is refused, so that those that run can end
    assert outcome == "refused"
    assert await operator.exists("run:run_1") == 0
