"""Real servers with runs on them: what the API, the coordinators and the workers of a system would have done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.crashpoints import Crasher
from pointsman.base.ids import Millis, RunId
from pointsman.execute import Executor, Programs
from pointsman.execute.recovery import FIRST, Recovery
from pointsman.health import Health
from pointsman.metrics import Metrics
from pointsman.plan import Plan, encode_plan
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import Opening
from pointsman.ports.run_index import NewRun, RunRow
from pointsman.ports.run_store import Link, RunStore
from pointsman.protocol.output import EMPTY, inline
from pointsman.protocol.signal import Completed, Signal
from pointsman.protocol.transition import seal
from pointsman.service import Exit, Service
from pointsman.settings import Settings
from pointsman.step import step
from supervisor.completion import Completion
from supervisor.fence import Fence, Progress
from supervisor.journal import Journal
from tests.support.driven import token
from tests.support.plans import plan, task

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

ENGINE = "cel-cpp"
MOMENT = Millis(1)
CHAIN = plan(task("a"), task("b"), task("c"), "a->b->c")


class Depot:
    """One Redis, one Postgres, and whatever a test does to them."""

    def __init__(self, dsn: str, pool: Pool, partition: Partition) -> None:
        self.dsn = dsn
        self.pool = pool
        self.partition = partition
        self.store: RunStore = RedisRunStore(partition)
        self.index = Runs(pool)
        self.documents = Documents(pool)
        self.journal = PostgresJournal(pool)
        self.programs = Programs(self.store)
        self.executor = Executor(self.store, self.programs, open_blobs("memory://"), 32_768)
        self.metrics = Metrics()

    # What the API does ----------------------------------------------------------------------------------------------

    async def accept(self, run_id: str = "run_1", made_of: Plan = CHAIN, **fields: Any) -> NewRun:
        """Accept a run."""
        digest = await self.documents.put_plan(encode_plan(made_of))
        definition = await self.documents.put_definition(b"{}")
        told = {"input": EMPTY, "metadata": None, "created_at": await self.store.now(), **fields}
        run = NewRun(RunId(run_id), made_of.name, None, definition, digest, ENGINE, **told)
        assert (await self.index.accept(run)).outcome == "accepted"
        return run

    async def start(self, run_id: str = "run_1", made_of: Plan = CHAIN) -> RunId:
        """Accept a run and start it."""
        run = await self.accept(run_id, made_of)
        assert await self.executor.start(run.head(), encode_plan(made_of)) == "started"
        return run.run_id

    # What workers and coordinators do -------------------------------------------------------------------------------

    async def take(self, signal: Signal) -> None:
        """Step and apply one signal."""
        snapshot = (await self.store.load([signal.run_id]))[signal.run_id]
        program = await self.programs.of(snapshot.head)
        change = step(program, snapshot, signal, await self.store.now())
        assert await self.store.apply([Link(seal(change))]) == ["applied"]

    async def complete(self, run: RunId, *nodes: str) -> None:
        """Complete the first attempts of nodes, one after the other."""
        for node in nodes:
            await self.take(Completed(run, token(node), 1, inline({"did": node})))

    async def run_through(self, run_id: str = "run_1") -> RunId:
        """Start a run of the chain and see it to its end."""
        run = await self.start(run_id)
        await self.complete(run, "a", "b", "c")
        return run

    # What can be seen -----------------------------------------------------------------------------------------------

    async def is_written(self, run: RunId, seq: int) -> bool:
        """Whether a run's journal reaches `seq`, and nothing waits to be written."""
        return await self.journal.position(run) >= seq and not await self.streamed()

    async def streamed(self) -> list[JournalEvent]:
        """The events that stand on the stream."""
        source = RedisEventSource(self.partition)
        events = [streamed.event for streamed in await source.read(100_000, 0)]
        await source.aclose()
        return events

    async def keys(self, run: RunId) -> list[str]:
        """The keys that a run has in Redis, the sign that it has ended aside."""
        names = [str(key).split(":") for key in await self.store.dump()]
        return sorted(":".join(name) for name in names if str(run) in name and name[0] != "ended")

    async def row(self, run: RunId) -> RunRow:
        """A run as Postgres knows it."""
        row = await self.index.get(run)
        assert row is not None
        return row

    async def put(self, *events: JournalEvent) -> None:
        """Put events on the stream, past everything that makes them."""
        for event in events:
            told = ("run_id", event.run_id, "epoch", event.epoch, "seq", event.seq, "tip", event.tip)
            await self.partition.connection.ask("XADD", "wf.events", "*", *told, "event", event.body)

    async def set_aside(self, body: bytes, code: str, reason: str) -> None:
        """Reject a signal as a coordinator does."""
        source = RedisSignalSource(self.partition, "test")
        await source.send([body])
        (delivery,) = await source.read(1, 1_000)
        await source.reject(delivery, code, reason)
        await source.aclose()

    async def nothing_set_aside(self) -> bool:
        """Whether every signal that was set aside has been moved."""
        return not await self.partition.connection.ask("XLEN", self.partition.keys.rejected)

    async def alarms(self) -> list[tuple[str, str, int]]:
        """What was found amiss with events."""
        rows = await self.pool.fetch("SELECT kind, run_id, seq FROM journal_alarms ORDER BY id")
        return [tuple(row) for row in rows]

    # The supervisor's own -------------------------------------------------------------------------------------------

    def completion(self) -> Completion:
        """The completion of one supervisor."""
        return Completion(self.store, self.index, self.metrics, Crasher())

    def fence(self) -> Fence:
        """The fence as one supervisor sees it."""
        return Fence(self.recovery(), asyncio.Semaphore())

    def recovery(self) -> Recovery:
        """What opens the fence."""
        blobs, crasher = open_blobs("memory://"), Crasher()
        told = Progress(Health(), self.metrics, self.metrics.recovering.set, 0, 1)
        record, documents = PostgresOpenRuns(self.pool), Documents(self.pool)
        store = RedisRecovery(self.partition)
        return Recovery(store, record, documents, blobs, crasher, inline_limit=32_768, told=told)

    def writing(self, drain: asyncio.Event, source: RedisEventSource, **settings: Any) -> Journal:
        """The journal of one supervisor."""
        told = {"partition": 0, "batch": 100, "linger_ms": 1, "lease_ttl_ms": 500, **settings}
        writer = LeasedWriter(WriterSession(self.dsn, told["lease_ttl_ms"]), 0, self.metrics)
        lag = self.metrics.journal_lag_ms.set
        parts = (source, writer, self.completion(), self.fence(), self.store)
        return Journal(*parts, drain, lag, lambda: None, Crasher(), **told)

    @asynccontextmanager
    async def journalling(self, **settings: Any) -> AsyncIterator[Service]:
        """A supervisor at work that has this one duty; drained at the end."""
        service, source = Service(Settings()), RedisEventSource(self.partition)
        journal = self.writing(service.drain, source, **settings)
        running = asyncio.create_task(service.run({"journal": journal.run}))
        try:
            yield service
        finally:
            service.drain.set()
            assert await running is Exit.DRAINED
            await source.aclose()


@asynccontextmanager
async def depot_on(dsn: str, redis_url: str) -> AsyncIterator[Depot]:
    """A depot on these servers."""
    partition = await Partition.open(redis_url)
    pool = await open_pool(dsn, name="test", size=5)
    try:
        # What opened the server that it found stands in Postgres, as if a supervisor had done it.
        record, first = PostgresOpenRuns(pool), Opening(int(partition.epoch), "", MOMENT, None, FIRST, 0, 0, 0, 0)
        await record.note((await record.begin(first))._replace(opened_at=MOMENT))
        yield Depot(dsn, pool, partition)
    finally:
        pool.terminate()
        await partition.aclose()
