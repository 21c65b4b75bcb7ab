"""What a batch of events changes in the read tables: one row for each run that moved, one for each edit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from pointsman.adapters.postgres.event_head import Entry, EventHead, PatchHead
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest, Millis, RunId, crc_of
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.output import EMPTY, Output
from pointsman.protocol.state import RunHead, RunStatus

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection


class RunChange(msgspec.Struct):
    """How one run's row ends up after a batch. None: as it was."""

    run_id: RunId
    epoch: int = 0
    seq: int = 0
    status: RunStatus | None = None
    revision: int | None = None
    definition: Digest | None = None
    plan: Digest | None = None
    started_at: Millis | None = None
    ended_at: Millis | None = None
    output: Output = EMPTY
    error: str | None = None
    started: RunHead | None = None

    def take(self, event: JournalEvent, head: EventHead) -> None:
        """Move on by one event, the next of its run."""
        self.epoch, self.seq = event.epoch, event.seq
        self.status = head.status or self.status
        if head.error:
            self.error = bytes(head.error).decode()
        if head.started is not None:
            self.started, self.started_at = head.started, head.at
            self.status = self.status or "RUNNING"
        if head.patch is not None:
            self.revision = head.patch.revision
            self.definition, self.plan = head.patch.definition, head.patch.plan
        if head.is_final:
            self.ended_at, self.output = head.at, head.output


class PatchRow(msgspec.Struct, frozen=True):
    """An accepted edit and the event that recorded it."""

    event: JournalEvent
    at: Millis
    patch: PatchHead


class Projection(msgspec.Struct):
    """What a batch changes besides the journal itself."""

    runs: dict[RunId, RunChange] = {}
    patches: list[PatchRow] = []

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Projection:
        """Gather what entries change. Most events move nothing but their run's seq, and are passed over."""
        found = cls()
        for event, head in entries:
            if head.status is None and head.patch is None and head.started is None:
                continue
            change = found.runs.get(event.run_id)
            if change is None:
                change = found.runs[event.run_id] = RunChange(event.run_id)
            change.take(event, head)
            if head.patch is not None:
                found.patches.append(PatchRow(event, head.at, head.patch))
        return found

    async def write(self, connection: Connection) -> None:
        """Write the rows, inside the caller's transaction."""
        if self.runs and await self._advance(connection) < len(self.runs):
            await self._adopt(connection)
            await self._advance(connection)
        if self.patches:
            await connection.execute(sql("record_patches"), *_patch_columns(self.patches))

    async def _advance(self, connection: Connection) -> int:
        status = await connection.execute(sql("advance_runs"), *_run_columns(list(self.runs.values())))
        return int(status.rpartition(" ")[2])

    async def _adopt(self, connection: Connection) -> None:
        """Make rows for runs that nobody accepted here: their first event holds all that a row needs."""
        heads = [change.started for change in self.runs.values() if change.started is not None]
        if heads:
            await connection.execute(sql("adopt_runs"), *_head_columns(heads))


def _run_columns(changes: Sequence[RunChange]) -> Iterable[list[object]]:
    return _columns(
        (
            c.run_id,
            c.epoch,
            c.seq,
            c.status,
            c.revision,
            c.definition,
            c.plan,
            c.started_at,
            c.ended_at,
            data_of(c.output),
            c.output.ref,
            c.error,
        )
        for c in changes
    )


def _head_columns(heads: Sequence[RunHead]) -> Iterable[list[object]]:
    return _columns(
        (
            h.run_id,
            h.workflow,
            h.definition,
            h.plan,
            h.engine,
            data_of(h.input),
            h.input.ref,
            json_of(h.metadata),
            h.created_at,
            crc_of(h.run_id),
        )
        for h in heads
    )


def _patch_columns(rows: Sequence[PatchRow]) -> Iterable[list[object]]:
    return _columns(
        (
            r.event.run_id,
            r.patch.revision,
            r.event.seq,
            r.at,
            printable(r.patch.by),
            printable(r.patch.description),
            bytes(r.patch.operations).decode() or "[]",
            bytes(r.patch.inverse).decode() or "[]",
            r.patch.base_definition,
            r.patch.definition,
            r.patch.plan,
        )
        for r in rows
    )


def _columns(rows: Iterable[tuple[object, ...]]) -> Iterable[list[object]]:
    return map(list, zip(*rows, strict=True))


def data_of(output: Output) -> bytes | None:
    """The bytes of an inline output; None where there is none."""
    return bytes(output.data) or None


def json_of(value: object) -> str | None:
    """What a `json` column takes; None stays NULL."""
    return None if value is None else msgspec.json.encode(value).decode()


def printable(text: str) -> str:
    """The text without NUL, the one character that Postgres' `text` cannot hold."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
