"""The writers that may each call themselves the only one of a stream, and the one connection that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.connect import close, connect, reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.errors import ServerUnavailable
from pointsman.metrics import Metrics
from pointsman.ports.journal import JournalEvent
from pointsman.ports.journal_writer import Written

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection

_LOCK: Final = 0x6A726E6C
"""The first half of the key of the writers' locks; the second is the number of the stream."""


class WriterSession:
    """The advisory locks of one process, all on the connection that also writes.

    Who loses the connection loses the leases and the way to write at once, so there is no instant at which two
    processes may believe that they write a stream. A lease kept elsewhere (in Redis, say) can run out while its holder
    writes. A holder that hangs is hung up on by the server after `ttl_ms` of silence.
    """

    def __init__(self, dsn: str, ttl_ms: int) -> None:
        self._dsn = dsn
        self._ttl = str(ttl_ms)
        self._in_use = asyncio.Lock()
        self._connection: Connection | None = None
        self._holders: dict[int, object] = {}
        """By stream, who has its lease."""

    async def take(self, stream: int, who: object) -> bool:
        """Try to get the lease of a stream. Raises `ServerUnavailable`; then all leases are lost."""
        async with self._in_use, self._connected() as connection:
            if stream not in self._holders and await connection.fetchval(sql("try_writer_lock"), _LOCK, stream):
                self._holders[stream] = who
        return self._holders.get(stream) is who

    async def renew(self, stream: int, who: object) -> None:
        """Show the server that this process is alive. Raises `ServerUnavailable` where the lease is lost."""
        async with self._in_use:
            self._must_hold(stream, who)
            async with self._connected() as connection:
                await connection.execute(sql("renew_writer_lock"))

    async def append(self, stream: int, who: object, events: Sequence[JournalEvent]) -> Written:
        """Write to a stream of which the caller has the lease. Raises as `renew` does."""
        async with self._in_use:
            self._must_hold(stream, who)
            async with self._connected() as connection:
                return await append(connection, events)

    async def give_up(self, stream: int, who: object) -> None:
        """Give up the lease of a stream, if the caller has it. With the last one goes the connection."""
        async with self._in_use:
            if self._holders.get(stream) is who:
                del self._holders[stream]
                if self._holders:
                    with suppress(ServerUnavailable):  # then it is given up with all the others
                        async with self._connected() as connection:
                            await connection.fetchval(sql("give_up_writer_lock"), _LOCK, stream)
            if not self._holders:
                await self._hang_up()

    def _must_hold(self, stream: int, who: object) -> None:
        if self._holders.get(stream) is not who:
            raise ServerUnavailable(
                "SRV040",
                f"the connection to Postgres was lost, and with it the lease on stream {stream} of the journal. What "
                "was being written is either there whole or not at all, and is tried again by whoever has the lease "
                "next. Look after the server.",
            )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """The connection; a use that the server did not see to its end is the last one."""
        try:
            with reaching_postgres():
                yield self._connection or await self._connect()
        except (ServerUnavailable, asyncio.CancelledError):
            await self._hang_up()
            raise

    async def _connect(self) -> Connection:
        self._connection = await connect(
            self._dsn,
            name="pointsman journal",
            settings={"idle_session_timeout": self._ttl, "idle_in_transaction_session_timeout": self._ttl},
        )
        return self._connection

    async def _hang_up(self) -> None:
        self._holders.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await close(connection)


class LeasedWriter:
    """The one writer of a stream's events, as long as it has the lease."""

    def __init__(self, session: WriterSession, stream: int, metrics: Metrics) -> None:
        self._session = session
        self._stream = stream
        self._metrics = metrics
        self._holds = False

    async def acquire(self) -> bool:
        """Try to become the writer; True if this is it. Asking again renews the lease.

        Raises:
            ServerUnavailable: Postgres is lost, and the lease with it: call `release` before asking again.
        """
        if self._holds:
            await self._session.renew(self._stream, self)
        else:
            self._holds = await self._session.take(self._stream, self)
        return self._holds

    async def write(self, events: Sequence[JournalEvent]) -> Written:
        """Write a batch as `append` does. Only after `acquire` said yes; `ServerUnavailable` ends the lease."""
        written = await self._session.append(self._stream, self, events)
        self._metrics.journal_rows.inc(written.rows)
        for kind in written.dead:
            self._metrics.dead_letters.labels(kind).inc()
        for alarm in written.alarms:
            self._metrics.journal_alarms.labels(alarm.kind).inc()
        return written

    async def release(self) -> None:
        """Give the lease up; the next `acquire` asks for it anew."""
        self._holds = False
        await self._session.give_up(self._stream, self)
