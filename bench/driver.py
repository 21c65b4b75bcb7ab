"""Accepting and starting runs as the API does, and waiting for their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import redis.asyncio

from bench.clock import nanoseconds
from bench.stack import Stack
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.routed import open_store
from pointsman.base.ids import RunId
from pointsman.execute import Executor, Programs
from pointsman.expr import engine
from pointsman.plan import Plan, encode_plan
from pointsman.ports.run_index import NewRun
from pointsman.protocol.output import EMPTY
from pointsman.protocol.signal import Cancel

PATIENCE_S = 120.0


class Driver:
    """Runs workloads on a stack."""

    def __init__(self, stack: Stack, data_dir: str) -> None:
        self.stack = stack
        self.store = open_store(stack.partitions)
        self.engine = engine()
        self.documents = Documents(stack.pool)
        self._executor = Executor(self.store, Programs(self.store), open_blobs(f"file://{data_dir}/blobs"), 32_768)
        self._runs = Runs(stack.pool)
        self._made = 0

    async def accept(self, plan: Plan, count: int, source: bytes = b'{"bench":true}') -> list[NewRun]:
        """Write `count` runs of a plan down in Postgres; only edits ask for the definition that it was made of."""
        body = encode_plan(plan)
        digest = await self.documents.put_plan(body)
        definition = await self.documents.put_definition(source)
        runs = []
        for _ in range(count):
            self._made += 1
            run = RunId(f"bench-{self._made}")
            made = await self.store.now()
            runs.append(NewRun(run, plan.name, None, definition, digest, self.engine.name, EMPTY, None, made))
        await asyncio.gather(*(self._runs.accept(run) for run in runs))
        return runs

    async def start(self, plan: Plan, runs: Sequence[NewRun]) -> None:
        """Start accepted runs."""
        body = encode_plan(plan)
        for batch in (runs[at : at + 200] for at in range(0, len(runs), 200)):
            now = await self.store.now()
            outcomes = await asyncio.gather(*(self._executor.start(run.head(), body, now) for run in batch))
            if set(outcomes) != {"started"}:
                raise RuntimeError(f"runs could not be started: {set(outcomes)}")

    async def cancel(self, run: RunId) -> None:
        """Cancel an open run."""
        await self._executor.command(Cancel(run))

    async def timed(self, plan: Plan, count: int) -> float:
        """Seconds from the moment the worker is let go, all runs started before, until the last of them has ended."""
        runs = await self.accept(plan, count)
        async with self.ends() as ends:
            self.stack.hold("worker")
            await self.start(plan, runs)
            began = nanoseconds()
            self.stack.let_go("worker")
            for _ in runs:
                async with asyncio.timeout(PATIENCE_S):
                    await anext(ends)
            took = (nanoseconds() - began) / 1e9
        await self.journalled()
        return took

    @asynccontextmanager
    async def ends(self) -> AsyncIterator[AsyncIterator[str]]:
        """The ids of runs as they end, from the public channel."""
        async with redis.asyncio.Redis.from_url(self.stack.any_node) as client, client.pubsub() as listening:
            await listening.subscribe("completion_events")
            await listening.get_message(timeout=5)

            async def ids() -> AsyncIterator[str]:
                async for message in listening.listen():
                    yield message["data"].decode()

            yield ids()

    async def journalled(self) -> float:
        """Seconds until the journal has written everything and what ended is cleaned up."""
        began = nanoseconds()
        for partition in self.stack.partitions.all:
            await self.until_length(partition.keys.events, lambda length: length == 0, partition.connection)
        return (nanoseconds() - began) / 1e9

    async def until_length(
        self, stream: str, reached: Callable[[int], bool], connection: Connection | None = None
    ) -> None:
        """Wait until a stream has a length; on one server unless told where it is."""
        connection = connection or self.stack.partitions.public
        async with asyncio.timeout(PATIENCE_S):
            while not reached(await connection.ask("XLEN", stream)):
                await asyncio.sleep(0.01)

    async def used_memory(self) -> int:
        """Bytes that Redis holds."""
        async with redis.asyncio.Redis.from_url(self.stack.redis.url) as client:
            return int((await client.info("memory"))["used_memory"])
