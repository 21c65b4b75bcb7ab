"""Waiting for the journal: one listening connection a process, however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import structlog

from pointsman.adapters.postgres.connect import close, connect, reaching_postgres
from pointsman.adapters.postgres.event_head import decode_head
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.queries import sql
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId, Tip
from pointsman.ports.journal import JournalEvent

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool

_CHANNEL: Final = "journal"
_PAGE: Final = 500
_RECHECK_SECONDS: Final = 1.0
"""How long a wait lasts at most when the notification that should have ended it was lost."""
_PACE_S: Final = 0.01
"""Between two looks: under load the journal announces a batch every few milliseconds."""


Confirmation = Literal["durable", "lost", "late"]
"""lost: Redis lost the event before the journal had it, and the run has gone on without. late: it took too long."""


class _Waiter:
    """Somebody who waits until a run's journal has reached `seq`."""

    __slots__ = ("reached", "seq", "tip")

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.reached = asyncio.Event()
        self.tip: str | None = None
        """Where that event has left the run, once it is reached."""


class JournalWatch:
    """Wakes whoever waits for a run's events, once they are durable. Use it as an async context manager.

    The journal announces each batch with a bare NOTIFY; which of the events that anybody waits for are there by now is
    then read in one query. A lost notification, or a lost connection, delays a wait by `recheck_seconds` at most.
    """

    def __init__(self, pool: Pool, dsn: str, *, recheck_seconds: float = _RECHECK_SECONDS) -> None:
        self._pool = pool
        self._dsn = dsn
        self._recheck_seconds = recheck_seconds
        self._journal = PostgresJournal(pool)
        self._waiting: dict[RunId, set[_Waiter]] = {}
        self._rung = asyncio.Event()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for loop in (self._listen, self._answer):
                stack.callback(group.create_task(loop()).cancel)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def wait_until(self, run: RunId, seq: int, timeout: float | None = None) -> bool:
        """Wait until the event `seq` of a run is durable; False when `timeout` seconds passed before."""
        return await self._waited(run, seq, timeout) is not None

    async def confirm(self, run: RunId, seq: int, tip: Tip, timeout: float) -> Confirmation:
        """Wait until the journal tells what became of the event `seq` of a run, which left it at `tip`."""
        waited = await self._waited(run, seq, timeout)
        if waited is None:
            return "late"
        return "durable" if waited.tip == tip else "lost"

    async def _waited(self, run: RunId, seq: int, timeout: float | None) -> _Waiter | None:
        with self._waiter(run, seq) as waiter:
            # Not at once: the journal is likely to ring before, and what was asked for is not there yet.
            asyncio.get_running_loop().call_later(_PACE_S, self._rung.set)
            try:
                async with asyncio.timeout(timeout):
                    await waiter.reached.wait()
            except TimeoutError:
                return None
        return waiter

    async def follow(
        self, run: RunId, after_seq: int = 0, *, idle_seconds: float = 15.0
    ) -> AsyncGenerator[list[JournalEvent], None]:
        """The events of a run with a greater seq, in batches: each once, in order, as they become durable.

        Ends after the batch that holds the final event, at once where `after_seq` is at or past that. A batch is empty
        when `idle_seconds` went by without an event, so that the caller can show a sign of life.

        Raises:
            ServerUnavailable: Postgres is lost; follow again from the last seq that came.
        """
        while True:
            batch = await self._journal.events(run, after_seq, _PAGE)
            if batch:
                yield batch
                after_seq = batch[-1].seq
                if decode_head(batch[-1].body).is_final:
                    return
            elif await self._ended_by(run, after_seq):
                return
            elif not await self.wait_until(run, after_seq + 1, idle_seconds):
                yield []

    async def _ended_by(self, run: RunId, seq: int) -> bool:
        with reaching_postgres():
            return bool(await self._pool.fetchval(sql("run_ended_by"), run, seq))

    @contextmanager
    def _waiter(self, run: RunId, seq: int) -> Iterator[_Waiter]:
        waiter = _Waiter(seq)
        of_run = self._waiting.setdefault(run, set())
        of_run.add(waiter)
        try:
            yield waiter
        finally:
            of_run.discard(waiter)
            if not of_run and self._waiting.get(run) is of_run:
                del self._waiting[run]

    async def _answer(self) -> None:
        """Read the positions whenever the journal rang, and every so often when it did not."""
        while True:
            try:
                async with asyncio.timeout(self._recheck_seconds):
                    await self._rung.wait()
            except TimeoutError:
                pass
            self._rung.clear()
            if self._waiting:
                await self._wake_those_reached()
                await asyncio.sleep(_PACE_S)

    async def _wake_those_reached(self) -> None:
        asked = [(run, seq) for run, waiting in self._waiting.items() for seq in {waiter.seq for waiter in waiting}]
        try:
            with reaching_postgres():
                rows = await self._pool.fetch(sql("events_reached"), *zip(*asked, strict=True))
        except ServerUnavailable as lost:
            structlog.get_logger().warning("journal_watch_lost", error=lost.message)
            await asyncio.sleep(self._recheck_seconds)
            return
        for run, seq, tip in rows:
            for waiter in self._waiting.get(run, ()):
                if waiter.seq == seq:
                    waiter.tip = tip
                    waiter.reached.set()

    async def _listen(self) -> None:
        """Keep one connection listening; while there is none, the re-checks stand in for it."""
        while True:
            try:
                connection = await connect(self._dsn, name="pointsman watch")
            except ServerUnavailable:
                await asyncio.sleep(self._recheck_seconds)
                continue
            try:
                await self._hear(connection)
            finally:
                await close(connection)

    async def _hear(self, connection: Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(_setting(lost))
        try:
            with reaching_postgres():
                await connection.add_listener(_CHANNEL, _setting(self._rung))
        except ServerUnavailable:
            return
        # What was announced before this moment was not heard.
        self._rung.set()
        await lost.wait()


def _setting(event: asyncio.Event) -> Callable[..., Any]:
    def ring(*_: object) -> None:
        event.set()

    return ring
