"""`python -m coordinator`: wires one coordinator and runs it until it is told to stop."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coordinator.back_pressure import BackPressure
from coordinator.batch import Batch
from coordinator.cache import SnapshotCache
from coordinator.known_runs import KnownRuns
from coordinator.loop import Loop
from coordinator.reading import Reader
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.errors import ServerUnavailable
from pointsman.execute import Programs
from pointsman.service import Exit, Service, main
from pointsman.settings import Settings


async def run(settings: Settings) -> Exit:
    """Be a coordinator. Raises `ServerUnavailable` where Redis is not as needed at the start."""
    own = settings.coordinator
    service = Service(settings, own.metrics_port)
    partition = await Partition.open(settings.redis_dsn)
    service.warn(partition.warnings)
    source = RedisSignalSource(partition, consumer=f"{socket.gethostname()}:{os.getpid()}")
    congestion = RedisCongestion(partition)
    store, blobs = RedisRunStore(partition), open_blobs(settings.blob_store_url)
    try:
        async with _known_runs(settings) as known:
            batch = Batch(
                store=store,
                source=source,
                congestion=congestion,
                programs=Programs(store),
                blobs=blobs,
                cache=SnapshotCache(own.cache_runs),
                reader=Reader(blobs, own.inline_limit_bytes, own.max_signal_bytes),
                metrics=service.metrics,
                crasher=service.crasher,
                was_open=known.was_open,
                inline_limit=own.inline_limit_bytes,
            )
            room = BackPressure(congestion, service.drain)
            loop = Loop(source, batch, room, service.drain, own.batch_size, own.block_ms, own.claim_idle_ms)
            return await service.run({"signals": loop.run, "intake": loop.intake})
    finally:
        await source.aclose()
        await partition.aclose()


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
