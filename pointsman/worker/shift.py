"""A worker process at work: its posts in every partition, its lease, and how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import uuid4

import structlog

from pointsman.adapters.redis.partitions import Partitions
from pointsman.ports.blob_store import BlobStore
from pointsman.service import Loop, Service
from pointsman.worker.crew import Staff
from pointsman.worker.editing import Editing
from pointsman.worker.execution import Surroundings
from pointsman.worker.lease import Lease
from pointsman.worker.post import Post
from pointsman.worker.secrets import Secrets
from pointsman.worker.worker import Worker

log = structlog.get_logger()

# How the grace period is divided; the rest is the service's own.
HANDLERS_SHARE: Final = 0.75
ABANDON_SHARE: Final = 0.05
FLUSH_SHARE: Final = 0.1
SIGN_OFF_SHARE: Final = 0.05


class Shift:
    """Workers at work on one deployment, from registration to the end of the drain."""

    def __init__(
        self, workers: Sequence[Worker], service: Service, partitions: Partitions, blobs: BlobStore, secrets: Secrets
    ) -> None:
        settings, count = service.settings, len(partitions.all)
        self._partitions = partitions
        self._drain = service.drain
        self._grace_s = settings.grace_period_ms / 1_000
        self._lease_ms = settings.worker.lease_ms
        self.consumer = consumer_name()
        self._types = [worker.type for worker in workers]
        staffs = [Staff(worker, settings.worker.concurrency, count) for worker in workers]
        surround = partial(Surroundings, secrets, blobs, service.metrics, Editing.of(settings))
        self._posts = [
            Post(partition, staffs, self.consumer, surround, service.health, service.drain)
            for partition in partitions.all
        ]
        self._lease = Lease(settings.redis_dsn, self.consumer, self._types, settings.worker, self._posts)

    async def begin(self) -> None:
        """Register. Where a partition's server is away, the lease does so once it is back.

        Raises:
            ServerUnavailable: All are away.
        """
        await self._partitions.each(lambda partition: self._posts[partition.number].register(self._lease_ms))
        self._lease.start()
        log.info("worker_registered", worker=self.consumer, types=self._types)

    def loops(self) -> Mapping[str, Loop]:
        """What the service runs."""
        readers = {name: loop for post in self._posts for name, loop in post.readers().items()}
        return {"report": self.report, **readers}

    async def report(self) -> None:
        """Send results until drained, then those of the handlers that end in time, and sign off."""
        async with asyncio.TaskGroup() as group:
            senders = [post.sender for post in self._posts]
            tasks = [group.create_task(work()) for sender in senders for work in (sender.run, sender.watch)]
            await self._drain.wait()
            await self._finish()
            for task in tasks:
                task.cancel()

    async def _finish(self) -> None:
        await self._within(HANDLERS_SHARE, *(post.finish() for post in self._posts))
        await asyncio.gather(*(post.leave(self._grace_s * ABANDON_SHARE) for post in self._posts))
        await self._within(FLUSH_SHARE, *(post.sender.flushed() for post in self._posts))
        # A node that hangs keeps its part of the lease from ending, and no other's.
        await self._within(SIGN_OFF_SHARE / 2, self._lease.stop())
        unfinished, unsent = (sum(count) for count in zip(*(post.left for post in self._posts), strict=True))
        log.info("worker_leaves", worker=self.consumer, unfinished=unfinished, unsent=unsent)
        await self._within(SIGN_OFF_SHARE / 2, *(post.sign_off() for post in self._posts))

    async def _within(self, share: float, *work: Awaitable[object]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s * share):
                await asyncio.gather(*work)


def consumer_name() -> str:
    """A name that no other worker process has, and that says where it runs."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:100]
    return f"{host}:{os.getpid()}:{uuid4().hex[:8]}"
