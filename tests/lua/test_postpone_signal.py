"""postpone_signal: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.ids import RunId
from tests.lua.conftest import FillMemory

CONTINUE = b'{"status":"continue","run_id":"run_1"}'


async def test_a_signal_is_postponed_and_comes_again_when_memory_is_full(
    store: RedisRunStore, source: RedisSignalSource, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a run's `continue` on a server without memory
    await source.send([CONTINUE])
    (delivery,) = await source.read(1, 1_000)
    await fill_memory()
    # When it is put off, by no time at all
    await source.postpone(delivery, RunId("run_1"), 0)
    # Then it is on the clock, and nowhere else
    assert await operator.zrange("wf.timers", 0, -1) == ["run_1 continue 0"]
    assert (await operator.xlen("wf.signals"), (await operator.xpending("wf.signals", "coordinators"))["pending"]) == (
        0,
        0,
    )
    # And comes when its time has
    assert await store.fire_timers(10) == 1
    assert await operator.xlen("wf.signals") == 1


async def test_a_later_delay_does_not_put_off_what_waits_already(source: RedisSignalSource, operator: Redis) -> None:
    # Given two signals of one run
    await source.send([CONTINUE, CONTINUE])
    first, second = await source.read(2, 1_000)
    # When both are put off, the second by more
    await source.postpone(first, RunId("run_1"), 1_000)
    due = await operator.zscore("wf.timers", "run_1 continue 0")
    await source.postpone(second, RunId("run_1"), 3_600_000)
    # Then one is left, due when the first was
    assert await operator.zrange("wf.timers", 0, -1, withscores=True) == [("run_1 continue 0", due)]
