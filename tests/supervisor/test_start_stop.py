from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.adapters.postgres.watch import JournalWatch
from pointsman.adapters.redis.backlog import RedisBacklog
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.rejected_source import RedisRejectedSource
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.base.crashpoints import Crasher
from supervisor.backlog import BacklogGauges
from supervisor.dead_letters import RejectedSignals
from supervisor.reclaim import Reclaim
from supervisor.reconcile import Reconcile
from supervisor.retention import Clearing
from supervisor.timers import Timers
from tests.supervisor.depot import Depot
from tests.supervisor.test_stuck import detector
from tests.support.start_stop import MakeLoop, stress


def watching(depot: Depot, drain: asyncio.Event) -> Callable[[], Awaitable[None]]:
    """A journal watch as a loop: open until drained."""

    async def run() -> None:
        async with JournalWatch(depot.pool, depot.dsn):
            await drain.wait()

    return run


MakeDuty = Callable[[Depot, asyncio.Event, RedisEventSource], Callable[[], Awaitable[None]]]

DUTIES: dict[str, MakeDuty] = {
    "journal": lambda depot, drain, source: depot.writing(drain, source).run,
    "timers": lambda depot, drain, _: Timers(depot.store, drain, depot.metrics, batch=8).run,
    "reclaim": lambda depot, drain, _: Reclaim(WorkerRegistry(depot.partition), drain, depot.metrics).run,
    "reconcile": lambda depot, drain, _: (
        Reconcile(
            depot.index,
            depot.documents,
            depot.executor,
            depot.store.now,
            drain,
            depot.metrics,
            partitions=1,
            interval_ms=5,
        ).run
    ),
    "retention": lambda depot, drain, _: (
        Clearing(PostgresRetention(depot.pool), depot.store, None, drain, depot.metrics, keep_ms=1).run
    ),
    "rejected": lambda depot, drain, _: (
        RejectedSignals(
            RedisRejectedSource(depot.partition), PostgresDeadLetters(depot.pool), drain, depot.metrics, Crasher()
        ).run
    ),
    "stuck": lambda depot, drain, _: detector(depot, drain, 5).run,
    "backlog": lambda depot, drain, _: BacklogGauges(RedisBacklog(depot.partition), drain, depot.metrics).run,
    "watch": lambda depot, drain, _: watching(depot, drain),
}


@pytest.mark.parametrize("name", DUTIES)
async def test_every_duty_can_be_started_and_stopped_at_any_moment(depot: Depot, name: str) -> None:
    # Given a depot with something to do
    await depot.run_through()
    source = RedisEventSource(depot.partition)
    make: MakeLoop = lambda drain: DUTIES[name](depot, drain, source)  # noqa: E731
    # When the duty is started and stopped in every way, then it ended each time and left nothing running
    await stress(make)
    await source.aclose()
