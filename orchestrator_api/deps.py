"""What the resources work with, and the wiring of it: Postgres, Redis, blobs, each there as soon as its server is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final, Generic, NamedTuple, TypeVar

import structlog
from fastapi import Depends
from starlette.requests import Request

from orchestrator_api.compiling import Compiler
from orchestrator_api.live import Live, open_live
from orchestrator_api.plans import Plans
from orchestrator_api.room import Waiting
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool, reaching_postgres
from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.fleet import (
    Claimed,
    Decision,
    FleetEdit,
    FleetEdits,
    FleetItem,
    FleetStatus,
    HeldEdit,
    ItemState,
    NewFleetEdit,
)
from pointsman.adapters.postgres.idempotency import IdempotencyKeys
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.postgres.patches import Patches, RefusedPatch, TakenPatch
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.postgres.tags import Moved, Order, TagMove, Tags
from pointsman.adapters.postgres.watch import JournalWatch
from pointsman.adapters.postgres.workflows import Workflows, WorkflowVersion
from pointsman.base.clock import Clock, SystemClock
from pointsman.base.errors import ServerUnavailable
from pointsman.expr import Engine, engine
from pointsman.health import Health
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.dead_letters import DeadLetter
from pointsman.service import Service, backoff, pause
from pointsman.settings import Settings

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

__all__ = [
    "Api",
    "Claimed",
    "DeadLetter",
    "Decision",
    "FleetEdit",
    "FleetItem",
    "FleetStatus",
    "HeldEdit",
    "ItemState",
    "Live",
    "Moved",
    "NewFleetEdit",
    "Order",
    "Records",
    "RefusedPatch",
    "Services",
    "TagMove",
    "TakenPatch",
    "WorkflowVersion",
    "open_services",
]

log = structlog.get_logger()

FIRST_TRY_S: Final = 3.0
"""How long the process waits for its servers before it begins to answer without them."""
_FOR_GOOD: Final = frozenset({"SRV041", "SRV042", "SRV043", "SRV044", "SRV045"})
"""What is wrong with Postgres and does not pass by itself. Redis' errors say so themselves."""

T = TypeVar("T")


class Records(NamedTuple):
    """What stands on Postgres."""

    pool: Pool
    workflows: Workflows
    tags: Tags
    documents: Documents
    plans: Plans
    runs: Runs
    patches: Patches
    letters: PostgresDeadLetters
    stuck: StuckRuns
    open_runs: PostgresOpenRuns
    fleet: FleetEdits
    keys: IdempotencyKeys
    journal: PostgresJournal
    watch: JournalWatch

    async def check(self) -> None:
        """Make sure that Postgres answers and has this release's schema. Raises `ServerUnavailable`."""
        await _check_schema(self.pool)


class Held(Generic[T]):
    """Something on a server, opened again and again, with growing pauses, until the server is there."""

    def __init__(self, name: str, opening: Callable[[], AbstractAsyncContextManager[T]], health: Health) -> None:
        self._name = name
        self._opening = opening
        self._health = health
        self._thing: T | None = None
        self.why = ServerUnavailable("SRV051", f"{name} was not reached yet; nothing was done. Try again in a moment.")
        self.tried = asyncio.Event()
        """Set after the first attempt."""

    def get(self) -> T:
        """The thing. Raises `ServerUnavailable`, with the reason of the last attempt, while there is none."""
        if self._thing is None:
            raise ServerUnavailable(self.why.code, self.why.message)
        return self._thing

    @property
    def is_open(self) -> bool:
        """Whether there is one."""
        return self._thing is not None

    async def keep(self, closed: asyncio.Event) -> None:
        """Open it and hold it until `closed`."""
        failures = 0
        while not closed.is_set():
            try:
                async with self._opening() as self._thing:
                    self._health.ready(self._name)
                    self.tried.set()
                    await closed.wait()
                return
            except ServerUnavailable as why:
                self._missing(why)
            except Exception as why:
                log.exception("server_lost", server=self._name)
                self._missing(ServerUnavailable("SRV051", f"{self._name} cannot be used: {type(why).__name__}."))
            failures += 1
            await pause(closed, backoff(failures))

    def _missing(self, why: ServerUnavailable) -> None:
        log.warning("server_unavailable", server=self._name, code=why.code, reason=why.message)
        self.why, self._thing = why, None
        self._health.unready(self._name, str(why))
        self.tried.set()

    @property
    def is_hopeless(self) -> bool:
        """Whether the first attempt failed in a way that waiting does not mend."""
        return self._thing is None and (not self.why.retryable or self.why.code in _FOR_GOOD)


class Services:
    """Everything a request may need. Made by `open_services`."""

    def __init__(self, service: Service, blobs: BlobStore, compiler: Compiler) -> None:
        self._service = service
        self.settings: Settings = service.settings
        self.metrics = service.metrics
        self.crasher = service.crasher
        self.health = service.health
        self.drain = service.drain
        """Set when the process is told to stop: streams end, what was begun is finished."""
        self.waiting = Waiting(lambda tenant: self.records.runs.queued(tenant, service.settings.api.max_queued_runs))
        self.blobs = blobs
        self.compiler = compiler
        self.postgres = Held("postgres", self._open_postgres, service.health)
        self.redis = Held("redis", self._open_redis, service.health)

    @property
    def records(self) -> Records:
        """What stands on Postgres. Raises `ServerUnavailable` while it was not reached."""
        return self.postgres.get()

    @property
    def live(self) -> Live:
        """What stands on Redis. Raises `ServerUnavailable` while it was not reached."""
        return self.redis.get()

    @property
    def is_timed(self) -> bool:
        """Whether Redis was reached, so that `clock` is its clock: only then may a run be started here."""
        return self.redis.is_open

    @property
    def clock(self) -> Clock:
        """Redis' clock as last measured; this machine's where Redis was not reached."""
        try:
            return self.live.partitions.clock
        except ServerUnavailable:
            return SystemClock()

    @asynccontextmanager
    async def _open_postgres(self) -> AsyncIterator[Records]:
        dsn = self.settings.database_dsn
        pool = await open_pool(dsn, name="pointsman api")
        try:
            await _check_schema(pool)
            async with JournalWatch(pool, dsn) as watch:
                documents = Documents(pool)
                yield Records(
                    pool,
                    Workflows(pool),
                    Tags(pool),
                    documents,
                    Plans(documents),
                    Runs(pool),
                    Patches(pool),
                    PostgresDeadLetters(pool),
                    StuckRuns(pool),
                    PostgresOpenRuns(pool),
                    FleetEdits(pool),
                    IdempotencyKeys(pool),
                    PostgresJournal(pool),
                    watch,
                )
        finally:
            pool.terminate()

    @asynccontextmanager
    async def _open_redis(self) -> AsyncIterator[Live]:
        async with open_live(self.settings, self.blobs) as live:
            self._service.warn(live.partitions.warnings)
            yield live


@asynccontextmanager
async def open_services(service: Service) -> AsyncIterator[Services]:
    """The services of one process. Servers that are not there yet are waited for in the background.

    Raises:
        ServerUnavailable: A server is there and will never do: a wrong password, a wrong version, a missing migration.
    """
    settings = service.settings
    with ThreadPoolExecutor(1, "compile") as thread:
        compiler = Compiler(new_engine(settings), settings.limits, thread)
        services = Services(service, open_blobs(settings.blob_store_url), compiler)
        closed = asyncio.Event()
        keeping = [asyncio.create_task(held.keep(closed)) for held in (services.postgres, services.redis)]
        try:
            await _first_try(services)
            yield services
        finally:
            closed.set()
            await asyncio.gather(*keeping)


async def _check_schema(pool: Pool) -> None:
    with reaching_postgres():
        async with pool.acquire() as connection:
            await check_schema(connection)


def new_engine(settings: Settings) -> Engine:
    """The CEL engine that new runs are pinned to."""
    match settings.cel_engine:
        case "auto":
            return engine()
        case named:
            return engine(named)


async def _first_try(services: Services) -> None:
    both = (services.postgres, services.redis)
    try:
        async with asyncio.timeout(FIRST_TRY_S):
            for held in both:
                await held.tried.wait()
    except TimeoutError:
        pass
    for held in both:
        if held.is_hopeless:
            raise held.why


async def services_of(request: Request) -> Services:
    """The services of the process that a request came to. It does not wait; what is not `async` is put in a thread."""
    services: Services = request.app.state.services
    return services


Api = Annotated[Services, Depends(services_of)]
"""How a resource asks for them."""
