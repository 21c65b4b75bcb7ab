"""A coordinator at its desk: its batch and loop on the memory adapter, with runs to take signals for."""

from __future__ import annotations

import asyncio

from coordinator.back_pressure import BackPressure
from coordinator.batch import Batch
from coordinator.cache import SnapshotCache
from coordinator.loop import Loop
from coordinator.reading import Reader
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.memory.congestion import MemoryCongestion
from pointsman.adapters.memory.run_store import MemoryRunStore
from pointsman.adapters.memory.server import MemoryServer
from pointsman.adapters.memory.signal_source import MemorySignalSource
from pointsman.base.clock import ManualClock
from pointsman.base.crashpoints import Crasher
from pointsman.base.ids import Millis, RunId, job_id
from pointsman.execute import Executor, Programs
from pointsman.metrics import Metrics
from pointsman.plan import Plan, encode_plan, plan_digest
from pointsman.protocol.output import output_of
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.protocol.state import RunHead, Snapshot
from tests.support.driven import cel

INLINE_LIMIT = 1_000
MAX_SIGNAL = 10_000


class Desk:
    """One coordinator; `server` is what it and others share."""

    def __init__(self, server: MemoryServer | None = None, consumer: str = "one", known: bool = False) -> None:
        self.server = server or MemoryServer(ManualClock())
        self.store = MemoryRunStore(self.server)
        self.source = MemorySignalSource(self.server, consumer)
        self.congestion = MemoryCongestion(self.server)
        self.blobs = open_blobs("memory://")
        self.metrics = Metrics()
        self.cache = SnapshotCache(16)
        self.programs = Programs(self.store)
        self.executor = Executor(self.store, self.programs, self.blobs, INLINE_LIMIT)

        async def was_open(_: RunId) -> bool:
            return known

        self.batch = Batch(
            store=self.store,
            source=self.source,
            congestion=self.congestion,
            programs=self.programs,
            blobs=self.blobs,
            cache=self.cache,
            reader=Reader(self.blobs, INLINE_LIMIT, MAX_SIGNAL),
            metrics=self.metrics,
            crasher=Crasher(),
            was_open=was_open,
            inline_limit=INLINE_LIMIT,
        )

    def loop(self, drain: asyncio.Event) -> Loop:
        """Its loop."""
        return Loop(self.source, self.batch, BackPressure(self.congestion, drain), drain, 16, 5, 1_000)

    async def start(self, plan: Plan, run: str = "run_1") -> RunId:
        """Start a run."""
        body = encode_plan(plan)
        digest = plan_digest(body)
        head = RunHead(RunId(run), plan.name, digest, digest, cel().name, Millis(1))
        assert await self.executor.start(head, body, await self.executor.store.now()) == "started"
        return head.run_id

    async def send(self, *bodies: bytes) -> None:
        """Put signals on the stream and let the coordinator see them to their end."""
        await self.source.send(bodies)
        await self.batch.handle(await self.source.read(64, 1))

    async def run(self, run: RunId) -> Snapshot:
        """The run as the store has it."""
        return (await self.store.load([run]))[run]


def done(run: str, token: str, result: bytes = b"{}", attempt: int = 1) -> bytes:
    """A worker's completion, as pushed."""
    job = job_id(RunId(run), token, attempt)  # type: ignore[arg-type]
    return encode_wire(WireSignal("completed", job_id=job, run_id=run, result_data=output_of(result).data))
