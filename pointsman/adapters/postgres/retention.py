"""Removing runs from Postgres that ended long ago."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Millis, RunId
from pointsman.ports.retention import Ended

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

_LOCK: Final = 0x706F696E7474  # any number, as long as every release uses the same
_BELONGINGS: Final = (
    "release_blobs_of_runs",
    "remove_events_of_runs",
    "remove_patches_of_runs",
    "remove_refusals_of_runs",
    "remove_alarms_of_runs",
    "remove_letters_of_runs",
    "remove_stuck_marks_of_runs",
    "remove_runs",
)
"""In an order that no foreign key minds."""


class PostgresRetention:
    """The adapter of `pointsman.ports.retention.Retention`; the docstrings there hold here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        """Be the one that removes runs: an advisory lock of one connection, which ends with the process."""
        with reaching_postgres():
            connection = await self._pool.acquire()
        try:
            with reaching_postgres():
                has: bool = await connection.fetchval(sql("try_retention_lock"), _LOCK)
            yield has
        finally:
            with reaching_postgres():
                await self._pool.release(connection)

    async def expired(self, before: Millis, after: Ended, limit: int) -> list[Ended]:
        """Runs that ended before that and may be removed, oldest end first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("expired_runs"), before, *after, limit)
        return [Ended(*row) for row in rows]

    async def remove(self, runs: Sequence[RunId], before: Millis) -> int:
        """Remove runs with all that belongs to them, all or nothing."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                held = [row["run_id"] for row in await connection.fetch(sql("hold_expired_runs"), list(runs), before)]
                for statement in _BELONGINGS:
                    await connection.execute(sql(statement), held)
        return len(held)

    async def remove_letters(self, before: Millis, limit: int) -> int:
        """Remove dead letters that are older than that and of no run."""
        with reaching_postgres():
            told = await self._pool.execute(sql("remove_letters_of_no_run"), before, limit)
        return int(told.split()[-1])

    async def remove_documents(self, unused_ms: int, limit: int) -> int:
        """Remove definitions and plans that nothing refers to."""
        with reaching_postgres():
            told = [
                await self._pool.execute(sql(statement), unused_ms, limit)
                for statement in ("remove_unused_definitions", "remove_unused_plans")
            ]
        return max(int(text.split()[-1]) for text in told)

    async def forget_keys(self, keep_ms: int, limit: int) -> int:
        """Forget idempotency keys older than that."""
        with reaching_postgres():
            told = await self._pool.execute(sql("remove_old_keys"), keep_ms, limit)
        return int(told.split()[-1])
