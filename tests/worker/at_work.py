"""Workers at work on a real Redis, and the coordinator's side of the streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic import SecretStr
from redis.asyncio import Redis

from pointsman.adapters.redis.keys import Keyspace
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.ports.blob_store import BlobStore
from pointsman.protocol.task import Task as WireTask
from pointsman.protocol.task import encode_task
from pointsman.service import Exit, Service
from pointsman.settings import Settings
from pointsman.worker import Worker
from pointsman.worker.secrets import Secrets
from pointsman.worker.shift import Shift
from tests.support.waiting import eventually
from tests.worker.wire_tasks import Shelf, wire_task


class Streams:
    """What the coordinator does with the streams of one partition, by hand."""

    def __init__(self, redis: Any, keys: Keyspace | None = None) -> None:
        self.redis = redis
        self.keys = keys or Keyspace()

    async def give(self, handler: str | None = None, *, config: dict[str, Any] | None = None, **fields: Any) -> str:
        """Hand out a task; the id of its entry."""
        config = ({"handler": handler} if handler else {}) | (config or {})
        return await self.give_as_it_is(wire_task(config=config, **fields))

    async def give_as_it_is(self, task: WireTask) -> str:
        """Hand out this very task."""
        entry = await self.redis.xadd(self.keys.tasks(task.type), entry_of(task))
        return entry.decode() if isinstance(entry, bytes) else entry

    async def give_at(self, entry: str, **fields: Any) -> str:
        """Hand out a task whose entry has this id."""
        task = wire_task(**fields)
        await self.redis.xadd(self.keys.tasks(task.type), entry_of(task), id=entry)
        return entry

    async def give_unseen(self, consumer: str, handler: str, **fields: Any) -> None:
        """Hand a task to a worker so that Redis says it has it, and the worker has never heard of it."""
        task = wire_task(config={"handler": handler}, **fields)
        stream = self.keys.tasks(task.type)
        async with self.redis.pipeline(transaction=True) as at_once:
            at_once.xadd(stream, entry_of(task))
            at_once.xreadgroup("workers", consumer, {stream: ">"}, count=1)
            await at_once.execute()

    async def close(self, entry: str, task_type: str = "function") -> None:
        """Close an attempt, as a transition does."""
        await self.redis.xack(self.keys.tasks(task_type), "workers", entry)
        await self.redis.xdel(self.keys.tasks(task_type), entry)

    async def signals(self, count: int) -> list[dict[str, Any]]:
        """The first `count` signals, once they are there."""

        async def arrived() -> list[Any] | None:
            entries: list[Any] = await self.redis.xrange(self.keys.signals) or []
            return entries if len(entries) >= count else None

        return [msgspec.json.decode(fields[b"signal"]) for _, fields in await eventually(arrived)]

    async def results(self, count: int) -> dict[str, Any]:
        """What the first `count` signals say, by run: a result, or the type of an error."""
        return {signal["run_id"]: outcome(signal) for signal in await self.signals(count)}

    async def pending(self, task_type: str = "function") -> int:
        """How many tasks workers have in their hands."""
        summary = await self.redis.xpending(self.keys.tasks(task_type), "workers")
        return int(summary["pending"])


def entry_of(task: WireTask) -> dict[Any, Any]:
    """The fields of a task's entry."""
    about = {"job_id": task.job_id, "run_id": task.run_id, "node_id": task.node_id}
    return {"token": encode_task(task), **about}


def outcome(signal: dict[str, Any]) -> Any:
    """What a signal says came of the task."""
    return signal["result_data"] if signal["status"] == "completed" else signal["metadata"]["error_type"]


@dataclass
class AtWork:
    """A worker process inside the test, and what is around it."""

    parts: list[Streams]
    """Of every partition."""
    service: Service
    shift: Shift
    registries: list[WorkerRegistry]
    running: asyncio.Task[Exit]

    @property
    def streams(self) -> Streams:
        """Those of the first partition."""
        return self.parts[0]

    @property
    def registry(self) -> WorkerRegistry:
        """That of the first partition."""
        return self.registries[0]

    async def drained(self) -> Exit:
        """Drain, and wait for the end."""
        self.service.drain.set()
        return await self.running


@asynccontextmanager
async def at_work(
    redis_url: str,
    workers: Worker | Sequence[Worker],
    *,
    client: Any = None,
    secrets: Secrets | None = None,
    blobs: BlobStore | None = None,
    **settings: Any,
) -> AsyncIterator[AtWork]:
    """Run workers until the block ends. `client` finds the keys of a cluster."""
    given = Settings(redis_url=SecretStr(redis_url), **settings)
    partitions = await Partitions.open(redis_url, given.partitions)
    service = Service(given)
    crew = [workers] if isinstance(workers, Worker) else workers
    shift = Shift(crew, service, partitions, blobs or Shelf(), secrets or Secrets())
    await shift.begin()
    running = asyncio.create_task(service.run(shift.loops()))
    redis = client or Redis.from_url(redis_url, protocol=2)
    try:
        parts = [Streams(redis, partition.keys) for partition in partitions.all]
        registries = [WorkerRegistry(partition) for partition in partitions.all]
        yield AtWork(parts, service, shift, registries, running)
    finally:
        service.drain.set()
        await running
        await partitions.aclose()
        await redis.aclose()
