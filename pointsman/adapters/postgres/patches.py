"""Edits of runs in Postgres: those taken, and the audit of those refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest, Millis, RunId

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class TakenPatch(msgspec.Struct, frozen=True):
    """An edit that made `revision` of its run. The JSON of operations is as it was sent."""

    revision: int
    seq: int
    at: Millis
    by: str
    description: str
    operations: msgspec.Raw
    inverse: msgspec.Raw | None
    base_definition: Digest
    definition: Digest
    plan: Digest


class RefusedPatch(msgspec.Struct, frozen=True):
    """An edit that changed nothing, and why. `operations` and `problems` are JSON arrays."""

    by: str
    description: str
    operations: msgspec.Raw
    code: str
    problems: msgspec.Raw
    refused_at: Millis = Millis(0)
    """Set by the database."""


class Patches:
    """The edits of runs. Those taken are written by the journal, not here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def taken(self, run: RunId) -> list[TakenPatch]:
        """The accepted edits of a run, by revision."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("patches_of_run"), run)
        return [TakenPatch(**_with_raw(row, "operations", "inverse")) for row in rows]

    async def events(self, run: RunId) -> dict[int, bytes]:
        """The events of a run's accepted edits, by the revision that each made."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("events_of_patches"), run)
        return {row["revision"]: row["body"] for row in rows}

    async def made_by(self, run: RunId, request: str) -> bytes | None:
        """The event of the edit that a request with an `Idempotency-Key` made."""
        with reaching_postgres():
            body: bytes | None = await self._pool.fetchval(sql("event_of_request"), run, request)
        return body

    async def refused(self, run: RunId) -> list[RefusedPatch]:
        """The refused edits of a run, oldest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("refused_patches_of_run"), run)
        return [RefusedPatch(**_with_raw(row, "operations", "problems")) for row in rows]

    async def record_refusal(self, run: RunId, patch: RefusedPatch) -> None:
        """Write down that an edit was refused: the one trace that it leaves."""
        with reaching_postgres():
            await self._pool.execute(
                sql("record_refused_patch"),
                run,
                printable(patch.by),
                printable(patch.description),
                bytes(patch.operations).decode(),
                patch.code,
                bytes(patch.problems).decode(),
            )


def _with_raw(row: asyncpg.Record, *names: str) -> dict[str, Any]:
    """The row with its JSON columns as bytes that are passed on unread."""
    raw = {name: msgspec.Raw(row[name].encode()) for name in names if row[name] is not None}
    return {**row, **raw}
