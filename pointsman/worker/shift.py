"""A worker process at work: its crews, the one sender they share, its lease, and how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

import structlog

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.workers import Holding, WorkerRegistry
from pointsman.base.errors import ServerUnavailable
from pointsman.ports.blob_store import BlobStore
from pointsman.service import Loop, Service
from pointsman.worker.crew import Crew
from pointsman.worker.editing import Editing
from pointsman.worker.execution import Surroundings
from pointsman.worker.lease import Lease
from pointsman.worker.secrets import Secrets
from pointsman.worker.sender import Sender
from pointsman.worker.worker import Worker

log = structlog.get_logger()

# How the grace period is divided; the rest is the service's own.
HANDLERS_SHARE: Final = 0.75
ABANDON_SHARE: Final = 0.05
FLUSH_SHARE: Final = 0.1
SIGN_OFF_SHARE: Final = 0.05
_AT_ONCE_MS: Final = 1


class Shift:
    """Workers at work on one Redis, from registration to the end of the drain."""

    def __init__(
        self, workers: Sequence[Worker], service: Service, partition: Partition, blobs: BlobStore, secrets: Secrets
    ) -> None:
        settings = service.settings
        self._drain = service.drain
        self._grace_s = settings.grace_period_ms / 1_000
        self._lease_ms = settings.worker.lease_ms
        self._registry = WorkerRegistry(partition)
        self.consumer = consumer_name()
        self._sender = Sender(partition.connection, partition.keys.signals, service.health)
        around = Surroundings(
            secrets, blobs, service.metrics, Editing.of(settings), self._sender.send, self._sender.push
        )
        size = settings.worker.concurrency
        self.crews = [Crew(worker, partition, self.consumer, size, around, service.drain) for worker in workers]
        types = [worker.type for worker in workers]
        self._types = types
        self._lease = Lease(settings.redis_dsn, self.consumer, types, settings.worker, self._holds, self._close)

    async def begin(self) -> None:
        """Register. Raises `ServerUnavailable`."""
        await self._registry.register(self.consumer, self._types, self._lease_ms)
        self._lease.start()
        log.info("worker_registered", worker=self.consumer, types=self._types)

    def loops(self) -> Mapping[str, Loop]:
        """What the service runs."""
        return {"report": self.report, **{f"read_{crew.type}": crew.reader.run for crew in self.crews}}

    async def report(self) -> None:
        """Send results until drained, then those of the handlers that end in time, and sign off."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in (self._sender.run, self._sender.watch)]
            await self._drain.wait()
            await self._finish()
            for task in tasks:
                task.cancel()

    async def _finish(self) -> None:
        await self._within(HANDLERS_SHARE, asyncio.gather(*(crew.finish() for crew in self.crews)))
        left = await asyncio.gather(*(crew.leave(self._grace_s * ABANDON_SHARE) for crew in self.crews))
        await self._within(FLUSH_SHARE, self._sender.flushed())
        await self._within(SIGN_OFF_SHARE, self._sign_off(sum(left)))

    async def _sign_off(self, unfinished: int) -> None:
        """Leave the list of workers; where something is unfinished, stay on it as dead, so that it is taken over."""
        await self._lease.stop()
        unsent = self._sender.waiting
        log.info("worker_leaves", worker=self.consumer, unfinished=unfinished, unsent=unsent)
        with suppress(ServerUnavailable):
            if unfinished or unsent:
                await self._registry.renew(self.consumer, _AT_ONCE_MS)
            else:
                await self._registry.unregister(self.consumer)

    async def _within(self, share: float, work: Awaitable[object]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s * share):
                await work

    def _holds(self) -> list[Holding]:
        return [holding for crew in self.crews for holding in crew.holds()]

    def _close(self, gone: Sequence[Holding]) -> None:
        for crew in self.crews:
            crew.close(gone)


def consumer_name() -> str:
    """A name that no other worker process has, and that says where it runs."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:100]
    return f"{host}:{os.getpid()}:{uuid4().hex[:8]}"
