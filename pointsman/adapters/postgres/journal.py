"""The journal in Postgres: the port `Journal`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import RunId
from pointsman.ports.journal import JournalEvent

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


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
