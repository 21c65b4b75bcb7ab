"""The journal in Postgres: the port `Journal`, and the writer that may call itself the only one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.connect import close, connect, reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import RunId
from pointsman.metrics import Metrics
from pointsman.ports.journal import JournalEvent
from pointsman.ports.journal_writer import Written

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool

_LOCK: Final = 0x6A726E6C
"""The first half of the key of the writers' locks; the second is the number of the stream."""


class PostgresJournal:
    """`Journal` on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Write a batch, all or nothing."""
        with reaching_postgres():
            async with self._pool.acquire() as connection:
                await append(connection, events)

    async def events(self, run: RunId, after_seq: int, limit: int) -> list[JournalEvent]:
        """A run's events with a greater seq, in order; those that a recovery superseded are not among them."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("events_of_run"), run, after_seq, limit)
        return [JournalEvent(*row) for row in rows]

    async def position(self, run: RunId) -> int:
        """The seq of the last event of a run that is durable; 0 where there is none."""
        return (await self.positions([run])).get(run, 0)

    async def positions(self, runs: Sequence[RunId]) -> dict[RunId, int]:
        """`position` of many runs in one query; those without events are left out."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("positions_of_runs"), runs)
        return {row["run_id"]: row["seq"] for row in rows}


class LeasedWriter:
    """The one writer of a stream's events, as long as its connection lives.

    The lease is an advisory lock held by the very connection that writes: who loses the connection loses both at once,
    so there is no instant at which two processes may believe that they write. A lease kept elsewhere (in Redis, say)
    can run out while its holder writes. A holder that hangs is hung up on by the server after `ttl_ms` of silence.
    """

    def __init__(self, dsn: str, stream: int, ttl_ms: int, metrics: Metrics) -> None:
        self._dsn = dsn
        self._stream = stream
        self._ttl = str(ttl_ms)
        self._metrics = metrics
        self._connection: Connection | None = None
        self._holds = False

    async def acquire(self) -> bool:
        """Try to become the writer; True if this is it. Asking again renews the lease.

        Raises:
            ServerUnavailable: Postgres is lost, and the lease with it: call `release` before asking again.
        """
        connection = self._connection or await self._connect()
        with reaching_postgres():
            if self._holds:
                await connection.execute(sql("renew_writer_lock"))
            else:
                self._holds = await connection.fetchval(sql("try_writer_lock"), _LOCK, self._stream)
        return self._holds

    async def write(self, events: Sequence[JournalEvent]) -> Written:
        """Write a batch as `append` does. Only after `acquire` said yes; `ServerUnavailable` ends the lease."""
        assert self._connection is not None, "acquire() comes first"
        with reaching_postgres():
            written = await append(self._connection, events)
        self._metrics.journal_rows.inc(written.rows)
        for kind in written.dead:
            self._metrics.dead_letters.labels(kind).inc()
        for alarm in written.alarms:
            self._metrics.journal_alarms.labels(alarm.kind).inc()
        return written

    async def release(self) -> None:
        """Give the lease up; the next `acquire` starts over with a new connection."""
        self._holds = False
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await close(connection)

    async def _connect(self) -> Connection:
        self._connection = await connect(
            self._dsn,
            name=f"pointsman journal {self._stream}",
            settings={"idle_session_timeout": self._ttl, "idle_in_transaction_session_timeout": self._ttl},
        )
        return self._connection
