"""`python -m supervisor`: chooses the adapters and runs every duty."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from pointsman.adapters.blobs.archive import ObjectArchive
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.blob_references import BlobReferences
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.redis.backlog import RedisBacklog
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.pulses import RedisPulses
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.rejected_source import PushedSignals, RedisRejectedSource
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.waiting import waits_since
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.base.ids import Millis
from pointsman.execute import Executor, Programs, Starting
from pointsman.execute.admission import Admission
from pointsman.execute.archiving import Archivist
from pointsman.execute.recovery import Recovery
from pointsman.ports.blob_store import BlobStore
from pointsman.service import Exit, Loop, Service, main
from pointsman.settings import Settings
from supervisor.backlog import BacklogGauges
from supervisor.completion import Completion
from supervisor.dead_letters import RejectedSignals
from supervisor.fence import Fence, Progress
from supervisor.journal import Journal
from supervisor.memory import MemoryAlarm
from supervisor.reclaim import Reclaim
from supervisor.reconcile import Reconcile
from supervisor.retention import DAY_MS, Clearing
from supervisor.stuck import Stuck
from supervisor.sweep import HOUR_MS, Sweep
from supervisor.timers import Timers

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


async def run(settings: Settings) -> Exit:
    """Be a supervisor until told to stop.

    Raises:
        ServerUnavailable: Redis, Postgres or the port for metrics is not as needed.
    """
    service = Service(settings, settings.supervisor.metrics_port)
    async with AsyncExitStack() as stack:
        partition = await Partition.open(settings.redis_dsn)
        service.warn(partition.warnings)
        stack.push_async_callback(partition.aclose)
        pool = await open_pool(settings.database_dsn, name="pointsman supervisor", size=4)
        stack.callback(pool.terminate)
        async with pool.acquire() as connection:
            await check_schema(connection)
        source = RedisEventSource(partition)
        stack.push_async_callback(source.aclose)
        return await service.run(duties(service, partition, pool, source))


def duties(service: Service, partition: Partition, pool: Pool, source: RedisEventSource) -> Mapping[str, Loop]:
    """Every duty of a supervisor, by its name."""
    settings, drain, metrics = service.settings, service.drain, service.metrics
    own = settings.supervisor
    store, index = RedisRunStore(partition), Runs(pool)
    blobs = open_blobs(settings.blob_store_url)
    admission = Admission(RedisCongestion(partition), settings.max_unread_tasks)
    executor = Executor(store, Programs(store), blobs, settings.coordinator.inline_limit_bytes, admission)
    journal = Journal(
        source,
        LeasedWriter(WriterSession(settings.database_dsn, own.lease_ttl_ms), 0, metrics),
        Completion(store, index, metrics, service.crasher),
        _fence(service, partition, pool, blobs),
        store,
        drain,
        metrics,
        service.crasher,
        batch=own.journal_batch,
        linger_ms=own.journal_linger_ms,
        lease_ttl_ms=own.lease_ttl_ms,
    )
    documents = Documents(pool)
    starting = Starting(executor, PostgresJournal(pool), documents)
    reconcile = Reconcile(index, documents, starting, store.now, drain, metrics, interval_ms=own.reconcile_interval_ms)
    stuck = Stuck(
        RedisPulses(partition),
        index,
        StuckRuns(pool),
        PushedSignals(partition.connection),
        store.now,
        drain,
        metrics,
        stuck_after_ms=own.stuck_after_ms,
    )
    archivist = _archivist(service, pool, blobs)
    keep_ms = settings.retention.days * DAY_MS
    clearing = Clearing(PostgresRetention(pool), store, archivist, drain, metrics, keep_ms=keep_ms)
    return {
        **(
            {"retention": clearing.run, "sweep": _sweep(service, partition, pool, store.now).run}
            if settings.retention.days
            else {}
        ),
        "journal": journal.run,
        "timers": Timers(store, drain, metrics, batch=own.timer_batch).run,
        "reclaim": Reclaim(WorkerRegistry(partition), drain, metrics).run,
        "reconcile": reconcile.run,
        "rejected": RejectedSignals(
            RedisRejectedSource(partition), PostgresDeadLetters(pool), drain, metrics, service.crasher
        ).run,
        "stuck": stuck.run,
        "memory": MemoryAlarm(RedisCongestion(partition), drain, metrics, service.health).run,
        "backlog": BacklogGauges(RedisBacklog(partition), drain, metrics).run,
    }


def _fence(service: Service, partition: Partition, pool: Pool, blobs: BlobStore) -> Fence:
    """What recovers the partition where it has to be."""
    recovery = Recovery(
        RedisRecovery(partition),
        PostgresOpenRuns(pool),
        Documents(pool),
        blobs,
        service.crasher,
        inline_limit=service.settings.coordinator.inline_limit_bytes,
        told=Progress(service.health, service.metrics),
    )
    return Fence(recovery)


def _sweep(service: Service, partition: Partition, pool: Pool, now: Callable[[], Awaitable[Millis]]) -> Sweep:
    """What removes blobs that nobody needs."""
    settings = service.settings
    return Sweep(
        open_blobs(settings.blob_store_url),
        BlobReferences(pool),
        PostgresRetention(pool),
        partial(waits_since, Partitions([partition], partition.connection)),
        now,
        service.drain,
        service.metrics,
        grace_ms=settings.retention.blob_grace_hours * HOUR_MS,
    )


def _archivist(service: Service, pool: Pool, blobs: BlobStore) -> Archivist | None:
    """Who writes runs down before they are removed, where that is asked for."""
    if not service.settings.retention.archive:
        return None
    archive = ObjectArchive(service.settings.blob_store_url)
    return Archivist(Runs(pool), PostgresJournal(pool), Documents(pool), blobs, archive)


if __name__ == "__main__":
    sys.exit(main("supervisor", run))
