"""What a supervisor is made of: the duties of the process, and those of each partition that it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from pointsman.adapters.blobs.archive import ObjectArchive
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.blob_references import BlobReferences
from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.redis.backlog import open_backlog
from pointsman.adapters.redis.congestion import open_congestion
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.pulses import open_pulses
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.rejected_source import PushedSignals, RedisRejectedSource
from pointsman.adapters.redis.routed import open_store
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.waiting import waits_since
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.execute import Executor, Programs, Starting
from pointsman.execute.admission import Admission
from pointsman.execute.archiving import Archivist
from pointsman.execute.recovery import Recovery
from pointsman.ports.run_store import RunStore
from pointsman.service import Loop, Service
from supervisor.backlog import BacklogGauges
from supervisor.completion import Completion
from supervisor.dead_letters import RejectedSignals
from supervisor.fence import RECOVERIES_AT_ONCE, Fence, Progress
from supervisor.journal import Journal
from supervisor.memory import MemoryAlarm
from supervisor.reclaim import Reclaim
from supervisor.reconcile import Reconcile
from supervisor.retention import DAY_MS, Clearing
from supervisor.stuck import Stuck
from supervisor.sweep import HOUR_MS, Sweep
from supervisor.timers import Timers
from supervisor.worst import Worst

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class Duties:
    """Makes the duties of one supervisor."""

    def __init__(self, service: Service, partitions: Partitions, pool: Pool) -> None:
        self._service = service
        self._partitions = partitions
        self._pool = pool
        self._blobs = open_blobs(service.settings.blob_store_url)
        self._index = Runs(pool)
        self._documents = Documents(pool)
        self._session = WriterSession(service.settings.database_dsn, service.settings.supervisor.lease_ttl_ms)
        self._lag = Worst(service.metrics.journal_lag_ms)
        recovering, count = Worst(service.metrics.recovering), len(partitions.all)
        self._progress = [
            Progress(service.health, service.metrics, recovering.of(number), number, count) for number in range(count)
        ]
        self._room = asyncio.Semaphore(RECOVERIES_AT_ONCE)

    def of_all(self) -> Mapping[str, Loop]:
        """Those that are done once in each supervisor, for all partitions."""
        partitions, drain, metrics = self._partitions, self._service.drain, self._service.metrics
        store, congestion = open_store(partitions), open_congestion(partitions)
        memory = MemoryAlarm(congestion, drain, metrics, self._service.health)
        return {
            # First, so that it asks before the sweep does: either keeps the other waiting.
            **(self._retention(store) if self._service.settings.retention.days else {}),
            "reconcile": self._reconcile(store, Admission(congestion, self._service.settings.max_unread_tasks)).run,
            "stuck": self._stuck(store).run,
            "memory": memory.run,
            "backlog": BacklogGauges(open_backlog(partitions), drain, metrics).run,
        }

    def of_partition(
        self, number: int, source: RedisEventSource, drain: asyncio.Event, left: Callable[[], None]
    ) -> Mapping[str, Loop]:
        """Those of one partition, until drained. Any number of supervisors may do them; one writes the journal.

        `left` is called where the journal has to be left to a supervisor of a newer release.
        """
        partition, service = self._partitions.all[number], self._service
        store = RedisRunStore(partition)
        rejected = RejectedSignals(
            RedisRejectedSource(partition), PostgresDeadLetters(self._pool), drain, service.metrics, service.crasher
        )
        return {
            "journal": self._journal(number, source, store, drain, left).run,
            "timers": Timers(store, drain, service.metrics, batch=service.settings.supervisor.timer_batch).run,
            "reclaim": Reclaim(WorkerRegistry(partition), drain, service.metrics).run,
            "rejected": rejected.run,
        }

    def forget(self, number: int) -> None:
        """Tell no more of a partition that others serve now."""
        self._progress[number].forget()
        self._lag.of(number)(0)

    def _journal(
        self, number: int, source: RedisEventSource, store: RunStore, drain: asyncio.Event, left: Callable[[], None]
    ) -> Journal:
        service, own = self._service, self._service.settings.supervisor
        return Journal(
            source,
            LeasedWriter(self._session, number, service.metrics),
            Completion(store, self._index, service.metrics, service.crasher),
            self._fence(number),
            store,
            drain,
            self._lag.of(number),
            left,
            service.crasher,
            partition=number,
            batch=own.journal_batch,
            linger_ms=own.journal_linger_ms,
            lease_ttl_ms=own.lease_ttl_ms,
        )

    def _fence(self, number: int) -> Fence:
        """What recovers a partition where it has to be."""
        service = self._service
        recovery = Recovery(
            RedisRecovery(self._partitions.all[number]),
            PostgresOpenRuns(self._pool, number, len(self._partitions.all)),
            self._documents,
            self._blobs,
            service.crasher,
            inline_limit=service.settings.coordinator.inline_limit_bytes,
            told=self._progress[number],
        )
        return Fence(recovery, self._room)

    def _reconcile(self, store: RunStore, admission: Admission) -> Reconcile:
        settings = self._service.settings
        inline_limit = settings.coordinator.inline_limit_bytes
        executor = Executor(store, Programs(store), self._blobs, inline_limit, admission)
        return Reconcile(
            self._index,
            self._documents,
            Starting(executor, PostgresJournal(self._pool), self._documents),
            store.now,
            self._service.drain,
            self._service.metrics,
            partitions=len(self._partitions.all),
            interval_ms=settings.supervisor.reconcile_interval_ms,
        )

    def _stuck(self, store: RunStore) -> Stuck:
        return Stuck(
            open_pulses(self._partitions),
            self._index,
            StuckRuns(self._pool),
            PushedSignals(self._partitions.public),
            store.now,
            self._service.drain,
            self._service.metrics,
            stuck_after_ms=self._service.settings.supervisor.stuck_after_ms,
        )

    def _retention(self, store: RunStore) -> Mapping[str, Loop]:
        """What removes runs, and blobs that nobody needs."""
        settings, drain, metrics = self._service.settings, self._service.drain, self._service.metrics
        records = PostgresRetention(self._pool)
        keep_ms = settings.retention.days * DAY_MS
        clearing = Clearing(records, store, self._archivist(), drain, metrics, keep_ms=keep_ms)
        sweep = Sweep(
            open_blobs(settings.blob_store_url),
            BlobReferences(self._pool),
            records,
            partial(waits_since, self._partitions),
            store.now,
            drain,
            metrics,
            grace_ms=settings.retention.blob_grace_hours * HOUR_MS,
        )
        return {"retention": clearing.run, "sweep": sweep.run}

    def _archivist(self) -> Archivist | None:
        """Who writes runs down before they are removed, where that is asked for."""
        if not self._service.settings.retention.archive:
            return None
        archive = ObjectArchive(self._service.settings.blob_store_url)
        return Archivist(self._index, PostgresJournal(self._pool), self._documents, self._blobs, archive)
