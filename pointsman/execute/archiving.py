"""Writing a run down whole, so that it can be read when everything else has forgotten it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

from pointsman.base.errors import RunNotFound
from pointsman.base.ids import Digest, RunId
from pointsman.ports.archive import Archive
from pointsman.ports.blob_store import BlobMissing, BlobStore
from pointsman.ports.journal import JournalEvent
from pointsman.ports.run_index import RunRow
from pointsman.protocol.archive import (
    ArchivedBlob,
    ArchivedDocument,
    ArchivedEvent,
    ArchivedRun,
    Content,
    End,
    Line,
    blobs_in,
    encode_line,
)
from pointsman.protocol.transition import Transition, decode_event

_PAGE: Final = 500


class Runs(Protocol):
    """The runs as they are known durably."""

    async def get(self, run: RunId) -> RunRow | None:
        """One run."""
        ...


class Events(Protocol):
    """The journal, as a reader sees it."""

    async def events(self, run: RunId, after_seq: int, limit: int) -> list[JournalEvent]:
        """A run's events with a greater seq, in order."""
        ...


class Documents(Protocol):
    """Definitions and plans by digest."""

    async def definition(self, digest: Digest) -> bytes | None:
        """A definition exactly as it was stored."""
        ...

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan exactly as it was stored."""
        ...


class Archivist:
    """Reads a run from Postgres and the blob store, and keeps it in the archive."""

    def __init__(self, runs: Runs, journal: Events, documents: Documents, blobs: BlobStore, archive: Archive) -> None:
        self._runs = runs
        self._journal = journal
        self._documents = documents
        self._blobs = blobs
        self._archive = archive

    async def keep(self, run: RunId) -> str:
        """Archive a run; its name in the archive. Raises `RunNotFound` RUN005."""
        with tempfile.TemporaryDirectory(prefix="pointsman-archive-") as directory:
            file = Path(directory) / "run.jsonl"
            row = await self.write(run, file)
            return await self._archive.put(run, row.created_at, file)

    async def write(self, run: RunId, file: Path) -> RunRow:
        """Write a run to a file; its row. Raises `RunNotFound` RUN005, `OSError`."""
        row = await self._runs.get(run)
        if row is None:
            raise RunNotFound("RUN005", f"there is no run {run}; nothing was archived.")
        count = 0
        with file.open("wb") as out:
            async for line in self._lines(row):
                out.write(encode_line(line))
                count += 1
            out.write(encode_line(End(count)))
        return row

    async def _lines(self, row: RunRow) -> AsyncIterator[Line]:
        told: set[Digest] = set()
        named: set[str] = set()
        yield _first(row)
        for digest in (row.definition, row.plan):
            yield await self._document(digest, told)
        after = 0
        while page := await self._journal.events(row.run_id, after, _PAGE):
            for event in page:
                for digest in _digests(decode_event(event.body)) - told:
                    yield await self._document(digest, told)
                yield ArchivedEvent(event.epoch, event.seq, event.tip, Content.of(event.body))
                named |= blobs_in(event.body)
            after = page[-1].seq
        for ref in sorted(named):
            yield await self._blob(ref)

    async def _document(self, digest: Digest, told: set[Digest]) -> ArchivedDocument:
        told.add(digest)
        body = await self._documents.definition(digest) or await self._documents.plan(digest)
        assert body is not None, "what a run points at is stored"
        return ArchivedDocument(digest, Content.of(body))

    async def _blob(self, ref: str) -> ArchivedBlob:
        try:
            return ArchivedBlob(ref, Content.of(await self._blobs.get(ref)))
        except BlobMissing:
            return ArchivedBlob(ref, None)


def _first(row: RunRow) -> ArchivedRun:
    names = ArchivedRun.__struct_fields__
    return ArchivedRun(**{name: getattr(row, name) for name in names if name != "format"})


def _digests(change: Transition) -> set[Digest]:
    """The documents that an event names."""
    found: set[Digest] = set()
    if change.started is not None:
        found |= {change.started.definition, change.started.plan}
    if change.patch is not None:
        found |= {change.patch.base_definition, change.patch.definition, change.patch.plan}
    return found
