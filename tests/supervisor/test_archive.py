"""Archived runs: whole, exact, and readable when nothing else knows the run any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.adapters.blobs.archive import ObjectArchive
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.base.errors import PointsmanError, RunNotFound
from pointsman.base.ids import Digest, RunId, Tip
from pointsman.execute.archiving import Archivist
from pointsman.protocol.archive import (
    ArchivedBlob,
    ArchivedDocument,
    ArchivedEvent,
    ArchivedRun,
    Content,
    End,
    Line,
    encode_line,
    read_archive,
)
from pointsman.protocol.output import Output
from pointsman.protocol.transition import decode_event
from pointsman.step import advance, opened_by
from supervisor.retention import Clearing
from tests.supervisor.depot import Depot
from tests.supervisor.test_completion import is_gone
from tests.supervisor.test_retention import ended, runs
from tests.support.waiting import eventually

LARGE = b'{"rows":\n[1, 2]}\xff'


def archivist(depot: Depot, place: Path) -> Archivist:
    """Somebody who archives into a directory, with the blobs that are there."""
    url = place.as_uri()
    return Archivist(depot.index, depot.journal, depot.documents, open_blobs(url), ObjectArchive(url))


async def read(place: Path, run: str) -> list[Line]:
    """The archived run of that id."""
    shelf = ObjectArchive(place.as_uri())
    (name,) = await shelf.find(RunId(run))
    return list(read_archive((await shelf.get(name)).splitlines()))


async def test_a_run_that_was_archived_and_removed_can_be_folded_from_its_file(depot: Depot, tmp_path: Path) -> None:
    # Given a run that ended, with a large output that is no UTF-8
    run = await depot.run_through()
    ref = await open_blobs(tmp_path.as_uri()).put(LARGE)
    async with depot.journalling():
        await eventually(lambda: is_gone(depot, run))
    await ended(depot, "other", output=Output(ref=ref))
    row = await depot.row(run)
    journal = await depot.journal.events(run, 0, 100)
    # When both are archived on their way out
    records, keeper = PostgresRetention(depot.pool), archivist(depot, tmp_path)
    await Clearing(records, depot.store, keeper, asyncio.Event(), depot.metrics, keep_ms=-1_000).clear()
    assert await runs(depot) == []
    # Then the file holds the run, every event as it was, and what it points at
    lines = await read(tmp_path, run)
    (first,) = [line for line in lines if isinstance(line, ArchivedRun)]
    assert (first.run_id, first.status, first.seq, first.ended_at) == (run, "COMPLETED", row.seq, row.ended_at)
    events = [line for line in lines if isinstance(line, ArchivedEvent)]
    assert [(e.epoch, e.seq, e.tip, e.body.data) for e in events] == [(e.epoch, e.seq, e.tip, e.body) for e in journal]
    documents = {line.digest: line.body.data for line in lines if isinstance(line, ArchivedDocument)}
    assert documents == {
        row.plan: await depot.documents.plan(row.plan),
        row.definition: await depot.documents.definition(row.definition),
    }
    # And folding them gives the run as it ended
    changes = [(decode_event(event.body.data), event.tip) for event in events]
    folded = opened_by(*changes[0])
    for change, tip in changes[1:]:
        advance(folded, change, tip)
    assert (folded.head.status, folded.head.output) == ("COMPLETED", row.output)
    # And large outputs are there byte for byte, once
    blobs = [line for line in await read(tmp_path, "other") if isinstance(line, ArchivedBlob)]
    assert [(blob.ref, blob.body.data if blob.body else None) for blob in blobs] == [(ref, LARGE)]


async def test_archiving_twice_keeps_one_file_and_a_run_of_that_name_later_another(
    depot: Depot, tmp_path: Path
) -> None:
    keeper, shelf = archivist(depot, tmp_path), ObjectArchive(tmp_path.as_uri())
    await ended(depot, "..")
    names = {await keeper.keep(RunId("..")) for _ in range(2)}
    assert names == set(await shelf.find(RunId("..")))
    # And when the id is used again, both are kept, the newer one last
    await depot.pool.execute("UPDATE runs SET created_at = created_at + 1")
    later = await keeper.keep(RunId(".."))
    assert await shelf.find(RunId("..")) == [*names, later]
    assert await shelf.find(RunId("other")) == []


async def test_a_blob_that_is_lost_is_told_and_holds_up_nothing(depot: Depot, tmp_path: Path) -> None:
    missing = f"blob://{'a' * 64}"
    await ended(depot, "old", output=Output(ref=missing))
    await archivist(depot, tmp_path).keep(RunId("old"))
    assert ArchivedBlob(missing, None) in await read(tmp_path, "old")


async def test_a_run_that_is_not_there_is_not_archived(depot: Depot, tmp_path: Path) -> None:
    with pytest.raises(RunNotFound, match="RUN005"):
        await archivist(depot, tmp_path).keep(RunId("nobody"))
    with pytest.raises(PointsmanError, match="ARC003"):
        await ObjectArchive(tmp_path.as_uri()).get("archive/run=nobody/1.jsonl")


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_every_line_of_an_archive_is_read_as_it_was_written(bodies: list[bytes]) -> None:
    lines: list[Line] = [ArchivedEvent(1, number, Tip("t"), Content.of(body)) for number, body in enumerate(bodies, 1)]
    lines += [ArchivedDocument(Digest("d"), Content.of(body)) for body in bodies]
    written = b"".join(map(encode_line, [*lines, End(len(lines))]))
    found = list(read_archive(written.splitlines()))
    assert found == lines
    assert [line.body.data for line in found if isinstance(line, ArchivedEvent)] == bodies


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "ARC002"),
        (b'{"kind":"end","lines":1}', "ARC002"),
        (encode_line(ArchivedBlob("blob://a", None)), "ARC002"),
        (b'{"kind":"shoe"}', "ARC001"),
        (b"no json", "ARC001"),
    ],
)
def test_what_is_no_archive_or_not_whole_is_refused(text: bytes, code: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        list(read_archive(text.splitlines()))
    assert caught.value.code == code
