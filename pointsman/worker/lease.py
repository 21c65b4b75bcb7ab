"""The lease of a worker process, renewed from a thread: a handler that blocks the event loop does not lose it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.workers import Holding, WorkerRegistry
from pointsman.settings import WorkerSettings

log = structlog.get_logger()

_AGAIN_S: Final = 0.5


class Lease:
    """Says every heartbeat that the process lives, and learns which of its tasks are no longer wanted."""

    def __init__(
        self,
        url: str,
        consumer: str,
        types: Sequence[str],
        settings: WorkerSettings,
        holds: Callable[[], Sequence[Holding]],
        gone: Callable[[Sequence[Holding]], None],
    ) -> None:
        """`holds` is called in the thread, `gone` on the event loop that this was made on."""
        self._url = url
        self._consumer = consumer
        self._types = types
        self._lease_ms = settings.lease_ms
        self._pause_s = settings.heartbeat_ms / 1_000
        self._holds = holds
        self._gone = gone
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._keeping: asyncio.Task[None]
        self._is_failing = False

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
        partition = Partition(Connection(read_address(self._url)))
        registry = WorkerRegistry(partition)
        try:
            while not await self._is_over():
                await self._beat(partition, registry)
        finally:
            await partition.aclose()

    async def _is_over(self) -> bool:
        """Wait for the next beat; whether there is none."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._pause_s, _AGAIN_S) if self._is_failing else self._pause_s):
                await self._stopped.wait()
        return self._stopped.is_set()

    async def _beat(self, partition: Partition, registry: WorkerRegistry) -> None:
        try:
            await self._renew(partition, registry)
            self._is_failing = False
        except Exception as why:
            # Whatever it is, this thread goes on: without it the worker would be taken for dead.
            if not self._is_failing:
                log.warning("lease_not_renewed", worker=self._consumer, error=str(why))
            self._is_failing = True

    async def _renew(self, partition: Partition, registry: WorkerRegistry) -> None:
        gone = await registry.renew(self._consumer, self._lease_ms, self._holds())
        if gone is None:
            log.warning("worker_taken_for_dead", worker=self._consumer)
            await partition.rejoin()
            await registry.register(self._consumer, self._types, self._lease_ms)
        elif gone:
            self._home.call_soon_threadsafe(self._gone, gone)
