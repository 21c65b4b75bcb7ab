from __future__ import annotations

import asyncio

from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.protocol.signal import WorkerLost, decode_signal
from supervisor.reclaim import Reclaim
from tests.supervisor.depot import Depot
from tests.support.driven import token
from tests.support.waiting import eventually


async def test_what_a_dead_worker_held_is_reported_once(depot: Depot) -> None:
    # Given a worker that took a task and died, and one that lives
    registry, connection = WorkerRegistry(depot.partition), depot.partition.connection
    run = await depot.start()
    await registry.register("dead", ["function"], 1)
    await registry.register("alive", ["function"], 60_000)
    taken = await connection.ask(
        "XREADGROUP", "GROUP", "workers", "dead", "COUNT", 1, "STREAMS", "wf.tasks.function", ">"
    )
    assert taken
    await eventually(registry.lost)
    # When two supervisors look for dead workers
    drain, source = asyncio.Event(), RedisSignalSource(depot.partition, "test")
    looking = [asyncio.create_task(Reclaim(registry, drain, depot.metrics).run()) for _ in range(2)]
    await eventually(lambda: is_forgotten(registry, "dead"))
    drain.set()
    await asyncio.gather(*looking)
    # Then its task is reported as lost, once, and the other worker is as it was
    signals = [decode_signal(delivery.body) for delivery in await source.read(100, 0)]
    await source.aclose()
    assert signals == [WorkerLost(run, token("a"), 1, "dead")]
    assert await registry.registered() == {"alive": ("function",)}
    assert depot.metrics.worker_lost._value.get() == 1


async def is_forgotten(registry: WorkerRegistry, consumer: str) -> bool:
    return consumer not in await registry.registered()
