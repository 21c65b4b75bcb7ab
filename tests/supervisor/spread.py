"""A depot whose runs are spread over several partitions of one Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.routed import open_store
from pointsman.base.crashpoints import Crasher
from pointsman.base.ids import RunId
from pointsman.execute import Executor, Programs
from pointsman.execute.recovery import Recovery
from pointsman.health import Health
from pointsman.ports.journal import JournalEvent
from supervisor.fence import Progress
from tests.supervisor.depot import Depot

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

PARTITIONS = 16


class Spread(Depot):
    """The same, of many partitions. Nobody has opened any of them."""

    def __init__(self, dsn: str, pool: Pool, partitions: Partitions) -> None:
        super().__init__(dsn, pool, partitions.all[0])
        self.partitions = partitions
        self.store = open_store(partitions)
        self.programs = Programs(self.store)
        self.executor = Executor(self.store, self.programs, open_blobs("memory://"), 32_768)

    def recovery(self, number: int = 0) -> Recovery:
        """What opens the fence of one partition."""
        partition, count = self.partitions.all[number], len(self.partitions.all)
        record, recovering = PostgresOpenRuns(self.pool, number, count), self.metrics.recovering.set
        told = Progress(Health(), self.metrics, recovering, number, count)
        parts = (RedisRecovery(partition), record, self.documents, open_blobs("memory://"), Crasher())
        return Recovery(*parts, inline_limit=32_768, told=told)

    async def open(self) -> None:
        """Open every partition, as a supervisor does."""
        for partition in self.partitions.all:
            await self.recovery(partition.number).open(_nothing, _nothing)

    async def streamed(self) -> list[JournalEvent]:
        """The events that stand on the streams, partition by partition."""
        found = []
        for partition in self.partitions.all:
            async with aclosing(RedisEventSource(partition)) as source:
                found += [streamed.event for streamed in await source.read(100_000, 0)]
        return found

    async def openings(self) -> dict[int, list[tuple[str, int]]]:
        """By partition, each time it was opened: why, and how many runs that restored."""
        found: dict[int, list[tuple[str, int]]] = {}
        for row in await self.pool.fetch("SELECT * FROM openings WHERE opened_at IS NOT NULL ORDER BY epoch"):
            found.setdefault(row["partition"], []).append((row["reason"], row["restored"]))
        return found

    async def is_open(self, times: int = 1) -> bool:
        """Whether every partition was opened at least so often."""
        found = await self.openings()
        return [len(found.get(each.number, ())) >= times for each in self.partitions.all] == [True] * len(
            self.partitions.all
        )

    async def under_way(self, count: int) -> list[RunId]:
        """Runs that have done their first step, all of it journalled."""
        runs = [await self.start(f"run_{number}") for number in range(count)]
        for run in runs:
            await self.complete(run, "a")
        return runs

    async def are_written(self, runs: list[RunId], seq: int) -> bool:
        """Whether the journal of each reaches `seq`."""
        found = await self.journal.positions(runs)
        return all(found.get(run, 0) >= seq for run in runs)

    async def attempts(self, runs: list[RunId]) -> dict[RunId, int]:
        """The attempt that is out of each run's only open token."""
        found = await self.store.load(runs)
        return {run: state.attempt for run, at in found.items() for state in at.tokens.values()}

    async def statuses(self, runs: list[RunId]) -> set[str]:
        """How the runs stand, as Postgres knows them."""
        return {(await self.row(run)).status for run in runs}

    async def lose(self, number: int) -> None:
        """Delete every key of one partition."""
        ask: Any = self.partitions.public.ask
        names = [name for name in await ask("KEYS", "*") if name.startswith(b"{%d}" % number)]
        await ask("DEL", *names)


async def _nothing() -> None:
    """Nothing stands on the streams, and nobody else opens them."""


@asynccontextmanager
async def spread_over(partitions: int, dsn: str, redis_url: str) -> AsyncIterator[Spread]:
    """A depot on these servers, with so many partitions."""
    async with aclosing(await Partitions.open(redis_url, partitions)) as all_of_them:
        pool = await open_pool(dsn, name="test", size=5)
        try:
            yield Spread(dsn, pool, all_of_them)
        finally:
            pool.terminate()
