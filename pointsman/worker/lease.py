"""The lease of a worker process, renewed from a thread: a handler that blocks the event loop does not lose it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.workers import Holding, WorkerRegistry
from pointsman.base.errors import ServerUnavailable
from pointsman.settings import WorkerSettings

log = structlog.get_logger()

_AGAIN_S: Final = 0.5


class Work(Protocol):
    """What a process does in one partition."""

    def holds(self) -> Sequence[Holding]:
        """What it is working on. Called in the thread."""
        ...

    def close(self, gone: Sequence[Holding]) -> None:
        """Learn which of these are no longer wanted. Called on the event loop that the lease was made on."""
        ...


class Lease:
    """Says every heartbeat that the process lives, and learns which of its tasks are no longer wanted.

    In each partition by itself: one that cannot be reached keeps no other waiting.
    """

    def __init__(
        self, url: str, consumer: str, types: Sequence[str], settings: WorkerSettings, works: Sequence[Work]
    ) -> None:
        """`works` has one for each partition, by number."""
        self._url = url
        self._consumer = consumer
        self._types = types
        self._lease_ms = settings.lease_ms
        self._pause_s = settings.heartbeat_ms / 1_000
        self._works = works
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._keeping: asyncio.Task[None]
        self._failing: set[int] = set()
        """Partitions where the last renewal failed."""

    def start(self) -> None:
        """Begin to renew. The worker is registered already."""
        self._keeping = self._loop.create_task(self._keep())
        self._thread.start()

    async def stop(self) -> None:
        """Renew no more. Cancelled, it ends a renewal that Redis does not answer, too: nobody waits for that thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        try:
            await asyncio.to_thread(self._thread.join)
        except asyncio.CancelledError:
            with suppress(RuntimeError):  # it ended at this very moment
                self._loop.call_soon_threadsafe(self._keeping.cancel)
            raise

    def _run(self) -> None:
        try:
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._keeping)
        finally:
            self._loop.close()

    async def _keep(self) -> None:
        partitions = await self._connected()
        try:
            async with asyncio.TaskGroup() as group:
                for partition, work in zip(partitions.all, self._works, strict=True):
                    group.create_task(self._keep_in(partition, work))
        finally:
            await partitions.aclose()

    async def _connected(self) -> Partitions:
        """Connections of this thread's own, as soon as a server says where partitions are."""
        while True:
            try:
                return await Partitions.connected(self._url, len(self._works))
            except ServerUnavailable as why:
                log.warning("lease_not_renewed", worker=self._consumer, error=str(why))
                await asyncio.sleep(_AGAIN_S)

    async def _keep_in(self, partition: Partition, work: Work) -> None:
        registry = WorkerRegistry(partition)
        while not await self._is_over(partition.number in self._failing):
            await self._beat(partition, registry, work)

    async def _is_over(self, is_failing: bool) -> bool:
        """Wait for the next beat; whether there is none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._pause_s, _AGAIN_S) if is_failing else self._pause_s):
                await self._stopped.wait()
        return self._stopped.is_set()

    async def _beat(self, partition: Partition, registry: WorkerRegistry, work: Work) -> None:
        number = partition.number
        try:
            await self._renew(partition, registry, work)
            self._failing.discard(number)
        except Exception as why:
            # Whatever it is, this thread goes on: without it the worker would be taken for dead.
            if number not in self._failing:
                log.warning("lease_not_renewed", worker=self._consumer, partition=number, error=str(why))
            self._failing.add(number)

    async def _renew(self, partition: Partition, registry: WorkerRegistry, work: Work) -> None:
        gone = await registry.renew(self._consumer, self._lease_ms, work.holds())
        if gone is None:
            log.warning("worker_taken_for_dead", worker=self._consumer, partition=partition.number)
            await partition.rejoin()
            await registry.register(self._consumer, self._types, self._lease_ms)
        elif gone:
            self._home.call_soon_threadsafe(work.close, gone)
