from __future__ import annotations

import asyncio

from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.protocol.signal import TimerFired, decode_signal
from supervisor.timers import Timers
from tests.supervisor.depot import Depot
from tests.support.plans import control, plan, task
from tests.support.waiting import eventually

SLEEPER = plan(control("wait", "nap", wait=5), task("after"), "nap->after")


async def test_each_due_timer_becomes_one_signal_whoever_looks(depot: Depot) -> None:
    # Given runs that sleep for five milliseconds, and one that sleeps for an hour
    runs = {await depot.start(f"run_{number}", SLEEPER) for number in range(7)}
    await depot.start("run_late", plan(control("wait", "nap", wait=3_600_000)))
    drain, source = asyncio.Event(), RedisSignalSource(depot.partition, "test")
    # When two supervisors fire timers, a few at a time
    looking = [asyncio.create_task(Timers(depot.store, drain, depot.metrics, batch=2).run()) for _ in range(2)]
    await eventually(lambda: depot.metrics.timers_fired._value.get() == 7)
    drain.set()
    await asyncio.gather(*looking)
    # Then each of those that slept briefly has its signal, once
    signals = [decode_signal(delivery.body) for delivery in await source.read(100, 0)]
    await source.aclose()
    assert all(isinstance(signal, TimerFired) for signal in signals)
    assert sorted(signal.run_id for signal in signals) == sorted(runs)
    assert depot.metrics.timers_fired._value.get() == 7
