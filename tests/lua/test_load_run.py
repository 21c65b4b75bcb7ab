"""load_run: what the conformance suite does not see of it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pointsman.adapters.redis.run_store import RedisRunStore
from tests.lua.conftest import FillMemory
from tests.support.stories import PLAN_BODY, Story


async def test_runs_are_loaded_when_memory_is_full(
    store: RedisRunStore, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a run on a server without memory, where MULTI is refused
    story = Story("run_1", "a")
    await store.start(story.first, PLAN_BODY)
    await fill_memory()
    with pytest.raises(RedisError):
        await operator.pipeline(transaction=True).hgetall("run:run_1").hgetall("tokens:run_1").execute()
    # When it is loaded, and one that is not there
    found = await store.load([story.run, Story("run_2").run])
    # Then it is there
    assert found == {story.run: story.snapshot}
