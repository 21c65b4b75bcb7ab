"""What Postgres knows of open runs, in pages that recovery can fold, and the openings of Redis there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import RunId
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import JournalledRun, Opening
from pointsman.ports.run_index import Cursor
from pointsman.protocol.state import RunStatus

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class PostgresOpenRuns:
    """The adapter of `pointsman.ports.recovery.OpenRuns`; the docstrings there hold here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, status: RunStatus, after: Cursor, limit: int) -> list[JournalledRun]:
        """Runs of a status, oldest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("open_runs"), status, *after, limit)
        return [
            JournalledRun(Cursor(row["created_at"], row["run_id"]), row["epoch"], row["seq"], row["tip"])
            for row in rows
        ]

    async def events(self, runs: Sequence[RunId]) -> dict[RunId, list[JournalEvent]]:
        """Every row of several runs, in one query."""
        found: dict[RunId, list[JournalEvent]] = {run: [] for run in runs}
        with reaching_postgres():
            for row in await self._pool.fetch(sql("events_of_runs"), runs):
                event = JournalEvent(*row)
                found[event.run_id].append(event)
        return found

    async def final(self, runs: Sequence[RunId]) -> set[RunId]:
        """Those of `runs` whose row is final."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("final_runs"), runs)
        return {row["run_id"] for row in rows}

    async def newest(self) -> Opening | None:
        """The opening with the latest epoch."""
        with reaching_postgres():
            row = await self._pool.fetchrow(sql("newest_opening"))
        return Opening(*row) if row is not None else None

    async def note(self, opening: Opening) -> None:
        """Write down how far an opening has come."""
        with reaching_postgres():
            await self._pool.execute(sql("note_opening"), *opening)
