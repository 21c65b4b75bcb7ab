"""Runs that nothing will move, in Postgres: what the supervisors found, for those who ask the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.adapters.postgres.runs import row_of
from pointsman.base.ids import RunId
from pointsman.ports.run_index import NEWEST, Cursor, RunRow

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class StuckRuns:
    """The marks. A run that has ended is never among them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def mark(self, stuck: Mapping[RunId, str]) -> None:
        """These are stuck, each with the reason, and no others."""
        runs, reasons = list(stuck), list(stuck.values())
        with reaching_postgres():
            await self._pool.execute(sql("unmark_stuck_runs"), runs)
            if runs:
                await self._pool.execute(sql("mark_stuck_runs"), runs, reasons)

    async def reasons(self, runs: Sequence[RunId]) -> dict[RunId, str]:
        """Why those of the runs are stuck that are."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("why_stuck"), runs)
        return {row["run_id"]: row["reason"] for row in rows}

    async def page(self, *, workflow: str | None = None, after: Cursor = NEWEST, limit: int = 100) -> list[RunRow]:
        """Runs that are stuck, behind a cursor, newest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("list_stuck_runs"), *after, limit, workflow)
        return [row_of(row) for row in rows]
