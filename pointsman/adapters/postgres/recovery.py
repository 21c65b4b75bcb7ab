"""What Postgres knows of open runs, in pages that recovery can fold, and the openings of Redis there were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import RunId, partition_of
from pointsman.execute.layout import other_layout
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import JournalledRun, Opening
from pointsman.ports.run_index import Cursor
from pointsman.protocol.state import RunStatus

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class PostgresOpenRuns:
    """The adapter of `pointsman.ports.recovery.OpenRuns`; the docstrings there hold here."""

    def __init__(self, pool: Pool, partition: int = 0, of: int = 1) -> None:
        """Those of one partition, of so many."""
        self._pool = pool
        self._partition = partition
        self._of = of

    async def page(self, status: RunStatus, after: Cursor, limit: int) -> list[JournalledRun]:
        """Runs of a status, oldest first."""
        while read := await self._read(status, after, limit):
            if own := [run for run in read if partition_of(run.run_id, self._of) == self._partition]:
                return own
            after = read[-1].cursor
        return []

    async def _read(self, status: RunStatus, after: Cursor, limit: int) -> list[JournalledRun]:
        """The next ones, and with them those of other partitions that a release wrote which knew of none."""
        asked = (status, *after, limit, self._partition, self._of)
        with reaching_postgres():
            rows = await self._pool.fetch(sql("open_runs"), *asked)
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
        """The opening of the partition with the latest epoch."""
        with reaching_postgres():
            row = await self._pool.fetchrow(sql("newest_opening"), self._partition)
        return Opening(*row) if row is not None else None

    async def begin(self, opening: Opening) -> Opening:
        """Write down an opening in an epoch behind all there were, of any partition."""
        wanted = (opening.epoch, opening.server, opening.began_at, opening.reason, self._partition, self._of)
        while True:
            with reaching_postgres():
                row = await self._pool.fetchrow(sql("reserve_opening"), *wanted)
            assert row is not None
            epoch, others = row
            if epoch is not None:
                return opening._replace(epoch=epoch)
            if others is not None:
                raise other_layout(self._of, others)

    async def note(self, opening: Opening) -> None:
        """Write down how far an opening has come."""
        told = (opening.opened_at, opening.checked, opening.restored, opening.dropped, opening.failed)
        with reaching_postgres():
            await self._pool.execute(sql("note_opening"), opening.epoch, *told)
