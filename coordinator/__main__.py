"""`python -m coordinator`: wires one coordinator and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from coordinator.back_pressure import BackPressure
from coordinator.batch import Batch
from coordinator.cache import SnapshotCache
from coordinator.known_runs import KnownRuns
from coordinator.loop import Intake, Loop, Pushed, waking
from coordinator.reading import Reader
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.adapters.redis.intake import RoutedIntake
from pointsman.adapters.redis.leases import PartitionLeases
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import open_store
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.errors import ServerUnavailable
from pointsman.execute import Programs
from pointsman.execute.holding import Holding, Tenure
from pointsman.service import Exit, Service, main
from pointsman.settings import Settings


async def run(settings: Settings) -> Exit:
    """Be a coordinator. Raises `ServerUnavailable` where Redis is not as needed at the start."""
    service = Service(settings, settings.coordinator.metrics_port)
    async with AsyncExitStack() as stack:
        partitions = await Partitions.open(settings.redis_dsn, settings.partitions)
        stack.push_async_callback(partitions.aclose)
        service.warn(partitions.warnings)
        known = await stack.enter_async_context(_known_runs(settings))
        desk = Desk(service, partitions, known, f"{socket.gethostname()}:{os.getpid()}")
        if settings.partitions == 1:
            return await desk.serve_the_one()
        return await desk.serve_a_share()


class Desk:
    """What a coordinator serves partitions with: the one there is, or as many of several as are its share."""

    def __init__(self, service: Service, partitions: Partitions, known: KnownRuns, consumer: str) -> None:
        self._service = service
        self._own = service.settings.coordinator
        self._partitions = partitions
        self._known = known
        self._consumer = consumer
        self._blobs = open_blobs(service.settings.blob_store_url)
        self._programs = Programs(open_store(partitions))
        self._cache = SnapshotCache(self._own.cache_runs)

    async def serve_the_one(self) -> Exit:
        """Read the one stream, as all coordinators do, and take in the public list."""
        source = RedisSignalSource(self._partitions.all[0], self._consumer)
        drain = self._service.drain
        try:
            loop = self._loop(self._partitions.all[0], source, drain)
            return await self._service.run({"signals": loop.run, "intake": self._intake(source, drain).run})
        finally:
            await source.aclose()

    async def serve_a_share(self) -> Exit:
        """Read the streams of those partitions that this coordinator holds, each as the only one that does."""
        leases = PartitionLeases(self._partitions, "coordinator", self._consumer)
        held = self._service.metrics.partitions_held
        holding = Holding(leases, len(self._partitions.all), self._serve, self._service.drain, held.set)
        try:
            return await self._service.run({"partitions": holding.run})
        finally:
            await leases.aclose()

    async def _serve(self, number: int, tenure: Tenure) -> None:
        partition, stop = self._partitions.all[number], tenure.stop
        async with AsyncExitStack() as stack:
            source = RedisSignalSource(partition, self._consumer)
            stack.push_async_callback(source.aclose)
            stack.callback(self._cache.drop_all, lambda run: self._partitions.of(run) is partition)
            await stack.enter_async_context(waking(stop, source))
            work = {f"signals {number}": self._loop(partition, source, stop).take_over}
            if number == 0:
                pushed = RoutedIntake(self._partitions, lambda: tenure.is_ours)
                stack.push_async_callback(pushed.aclose)
                await stack.enter_async_context(waking(stop, pushed))
                work["intake"] = self._intake(pushed, stop).run
            for name in work:
                stack.callback(self._service.health.ready, name)
            await asyncio.gather(*(self._service.keep_running(name, each, stop) for name, each in work.items()))

    def _intake(self, pushed: Pushed, drain: asyncio.Event) -> Intake:
        return Intake(pushed, drain, self._own.block_ms)

    def _loop(self, partition: Partition, source: RedisSignalSource, drain: asyncio.Event) -> Loop:
        own, metrics, crasher = self._own, self._service.metrics, self._service.crasher
        congestion = RedisCongestion(partition)
        batch = Batch(
            store=RedisRunStore(partition),
            source=source,
            congestion=congestion,
            programs=self._programs,
            blobs=self._blobs,
            cache=self._cache,
            reader=Reader(self._blobs, own.inline_limit_bytes, own.max_signal_bytes),
            metrics=metrics,
            crasher=crasher,
            was_open=self._known.was_open,
            inline_limit=own.inline_limit_bytes,
        )
        room = BackPressure(congestion, drain, len(self._partitions.all))
        return Loop(source, batch, room, drain, own.batch_size, own.block_ms, own.claim_idle_ms)


@asynccontextmanager
async def _known_runs(settings: Settings) -> AsyncIterator[KnownRuns]:
    """What Postgres knows of runs, if there is a Postgres: no run waits for it."""
    if settings.database_url is None:
        yield KnownRuns(None)
        return
    try:
        pool = await open_pool(settings.database_dsn, name="coordinator", size=1)
    except ServerUnavailable:
        yield KnownRuns(None)
        return
    try:
        yield KnownRuns(Runs(pool))
    finally:
        pool.terminate()


if __name__ == "__main__":
    sys.exit(main("coordinator", run))
