"""hold_run: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.ports.run_store import Link
from tests.lua.conftest import FillMemory
from tests.support.stories import PLAN_BODY, Story


async def now_ms(operator: Redis) -> int:
    seconds, micros = await operator.time()
    return int(seconds) * 1_000 + int(micros) // 1_000


async def test_a_hold_ends_by_the_clock_of_redis(store: RedisRunStore, operator: Redis) -> None:
    # Given a run
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    # When it is held for 50 ms
    before = await now_ms(operator)
    await store.hold(story.run, "editor", 50)
    after = await now_ms(operator)
    # Then that is 50 ms from now as Redis has it, whatever time it is here
    deadline, owner = (await operator.hget("run:run_1", "hold")).split(" ")
    assert owner == "editor"
    assert before + 50 <= int(deadline) <= after + 50


async def test_a_run_can_be_held_and_edited_when_memory_is_full(
    store: RedisRunStore, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a server without memory left
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await fill_memory()
    # When an editor takes its turn
    is_held = await store.hold(story.run, "editor", 60_000)
    outcomes = await store.apply([Link(story.completes("a", "b"), owner="editor")])
    # Then it gets it, and the hold is gone
    assert (is_held, outcomes) == (True, ["applied"])
    assert await operator.hget("run:run_1", "hold") is None


async def test_a_lapsed_hold_is_swept_by_the_next_transition(store: RedisRunStore, operator: Redis) -> None:
    # Given a hold that nobody ended, long past
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await operator.hset("run:run_1", "hold", "1700000000000 dead")
    # When a coordinator comes
    outcomes = await store.apply([Link(story.completes("a", "b"))])
    # Then it passes and takes it away
    assert outcomes == ["applied"]
    assert await operator.hget("run:run_1", "hold") is None
