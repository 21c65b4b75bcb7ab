"""claim_timers: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from tests.lua.conftest import FillMemory


async def test_timers_fire_when_memory_is_full(store: RedisRunStore, operator: Redis, fill_memory: FillMemory) -> None:
    # Given a due timer on a server without memory
    await operator.zadd("wf.timers", {"run_1 timeout:p[1]/q[2]:a 7": 1})
    await fill_memory()
    # When due timers are fired
    fired = await store.fire_timers(10)
    # Then it is a signal
    assert fired == 1
    signal = '{"status":"timer","run_id":"run_1","timer":"timeout:p[1]/q[2]:a","generation":7}'
    assert [fields for _, fields in await operator.xrange("wf.signals")] == [{"signal": signal}]


async def test_a_timer_is_due_by_the_clock_of_redis(store: RedisRunStore, operator: Redis) -> None:
    # Given timers just before and long after the server's now
    seconds, micros = await operator.time()
    now = seconds * 1_000 + micros // 1_000
    await operator.zadd("wf.timers", {"run_1 a 1": now, "run_1 b 1": now + 60_000})
    # When due timers are fired
    fired = await store.fire_timers(10)
    # Then one was due
    assert fired == 1
    assert await operator.zrange("wf.timers", 0, -1) == ["run_1 b 1"]


async def test_what_is_no_timer_of_ours_goes_without_a_signal(store: RedisRunStore, operator: Redis) -> None:
    # Given members that somebody else has put there, and one of ours after them
    await operator.zadd("wf.timers", {"junk": 1, 'run "} 1': 1, "run_1 a 1": 2})
    # When due timers are fired
    await store.fire_timers(10)
    # Then ours is a signal, and the others are gone
    assert await operator.xlen("wf.signals") == 1
    assert await operator.zcard("wf.timers") == 0
