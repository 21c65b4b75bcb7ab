from __future__ import annotations

import asyncio

import structlog

from pointsman.adapters.redis.backlog import RedisBacklog
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.ports.backlog import TaskBacklog
from supervisor.backlog import BacklogGauges
from tests.supervisor.depot import Depot


async def take_one(depot: Depot, consumer: str) -> None:
    taken = await depot.partition.connection.ask(
        "XREADGROUP", "GROUP", "workers", consumer, "COUNT", 1, "STREAMS", "wf.tasks.function", ">"
    )
    assert taken


async def test_the_backlog_says_what_stands_on_each_stream(depot: Depot) -> None:
    # Given three runs, each with a task out, and no worker
    backlog = RedisBacklog(depot.partition)
    for number in range(3):
        await depot.start(f"run_{number}")
    assert await backlog.streams() == {"wf.signals": 0, "wf.events": 3, "wf.outbox": 0}
    assert await backlog.tasks() == [TaskBacklog("function", 3, 3, False)]
    # When a worker that never registered takes one
    await take_one(depot, "somebody")
    assert await backlog.tasks() == [TaskBacklog("function", 3, 2, True)]
    # And when that is done
    await depot.complete((await depot.streamed())[0].run_id, "a", "b", "c")
    assert await backlog.tasks() == [TaskBacklog("function", 2, 2, False)]
    # And when a worker registers
    await WorkerRegistry(depot.partition).register("worker", ["function"], 60_000)
    assert await backlog.tasks() == [TaskBacklog("function", 2, 2, True)]


async def test_tasks_that_no_worker_serves_are_told_once_and_counted(depot: Depot) -> None:
    # Given a task, and no worker for it
    await depot.start()
    gauges = BacklogGauges(RedisBacklog(depot.partition), asyncio.Event(), depot.metrics)
    waiting = depot.metrics.waiting_for_worker.labels("function")
    with structlog.testing.capture_logs() as logs:
        # When it was not taken between two looks
        await gauges.measure()
        assert waiting._value.get() == 0
        await gauges.measure()
        await gauges.measure()
        # Then it waits
        assert waiting._value.get() == 1
        # And no longer when somebody takes it
        await take_one(depot, "somebody")
        await gauges.measure()
        assert waiting._value.get() == 0
    assert [(line["event"], line["type"]) for line in logs] == [("waiting_for_worker", "function")]
    assert b'pointsman_backlog{stream="tasks:function"} 1.0' in depot.metrics.render()
    assert b'pointsman_backlog{stream="wf.events"} 1.0' in depot.metrics.render()
