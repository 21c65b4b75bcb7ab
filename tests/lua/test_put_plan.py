"""put_plan: what the conformance suite does not see of it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, RunId
from tests.support.stories import PLAN, PLAN_BODY, Story

RUN = RunId("run_1")
OTHER = Digest("c" * 64)


async def test_a_plan_that_no_run_uses_goes_in_an_hour(store: RedisRunStore, operator: Redis) -> None:
    # Given a plan that was stored a while ago
    await store.put_plan(RUN, OTHER, b"{}")
    await operator.expire(f"plan:{OTHER}", 10)
    # When it is stored again
    await store.put_plan(RUN, OTHER, b"{}")
    # Then its hour begins anew
    assert await operator.ttl(f"plan:{OTHER}") > 3_500


async def test_a_plan_that_a_run_uses_is_left_alone(store: RedisRunStore, operator: Redis) -> None:
    # Given a run's plan
    await store.start(Story("run_1", "a").first, PLAN_BODY)
    before = await store.dump()
    # When it is stored again
    await store.put_plan(RUN, PLAN, PLAN_BODY)
    # Then it has not got an end
    assert await store.dump() == before
    assert await operator.ttl(f"plan:{PLAN}") == -1


async def test_no_plan_is_stored_where_state_was_lost(store: RedisRunStore, operator: Redis) -> None:
    # Given a lost epoch
    await operator.delete("epoch")
    # When a plan is stored
    with pytest.raises(ServerUnavailable) as refused:
        await store.put_plan(RUN, OTHER, b"{}")
    # Then it is refused, and not there
    assert refused.value.code == "SRV061"
    assert await store.plan(OTHER) is None
