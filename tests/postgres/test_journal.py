from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.patches import Patches, TakenPatch
from pointsman.adapters.postgres.runs import Runs
from pointsman.base.ids import Digest, Millis, RunId, Tip
from pointsman.ports.journal import JournalEvent
from pointsman.ports.journal_writer import Written
from pointsman.ports.run_index import NewRun, RunRow
from pointsman.protocol.output import EMPTY, Output, inline
from pointsman.protocol.state import ErrorInfo
from pointsman.protocol.transition import Patch
from tests.support.journalled import BODY, DIGEST, Story

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

T0 = 1_700_000_000_000


@pytest.fixture(autouse=True)
async def documents(pool: Pool) -> None:
    """The definition and the plan that the runs of these tests point at."""
    await Documents(pool).put_definition(BODY)
    await Documents(pool).put_plan(BODY)


async def accept(pool: Pool, run: str = "run_1", **fields: Any) -> None:
    new = {"input": EMPTY, "metadata": None, "created_at": Millis(T0), **fields}
    await Runs(pool).accept(NewRun(RunId(run), "triage", None, DIGEST, DIGEST, "cel-cpp", **new))


async def write(pool: Pool, *events: JournalEvent) -> Written:
    async with pool.acquire() as connection:
        return await append(connection, events)


async def alarms(pool: Pool) -> list[tuple[str, str, int, int, str, bytes]]:
    rows = await pool.fetch("SELECT kind, run_id, epoch, seq, tip, body FROM journal_alarms ORDER BY id")
    return [tuple(row) for row in rows]


async def test_events_come_back_as_they_were_written(pool: Pool) -> None:
    journal, story = PostgresJournal(pool), Story().start().steps(4).end()
    await journal.append(story.events)
    assert await journal.events(story.run_id, 0, 100) == story.events
    assert await journal.events(story.run_id, 2, 2) == story.events[2:4]
    assert await journal.position(story.run_id) == 6
    assert await journal.position(RunId("another")) == 0


async def test_a_batch_written_twice_is_in_the_journal_once(pool: Pool) -> None:
    # Given a batch that was written
    await accept(pool)
    story = Story().start().steps(2).end()
    first = await write(pool, *story.events)
    run = await Runs(pool).get(story.run_id)
    # When it comes again, with one new event of another run
    other = Story("run_2").start()
    second = await write(pool, *story.events, *other.events)
    # Then only what is new was written, and who waits for the end is told of it again
    assert (first, second) == (Written(4, {story.run_id: "COMPLETED"}), Written(1, {story.run_id: "COMPLETED"}))
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events
    assert await Runs(pool).get(story.run_id) == run
    assert await alarms(pool) == []


async def test_the_same_event_twice_in_one_batch_is_written_once(pool: Pool) -> None:
    story = Story().start()
    assert (await write(pool, *story.events, *story.events)).rows == 1
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events


async def test_other_content_under_a_written_key_is_an_alarm_and_changes_nothing(pool: Pool) -> None:
    # Given a run whose journal says that it goes on
    await accept(pool)
    story, rival = Story().start().steps(1), Story().start().end()
    await write(pool, *story.events)
    # When a second event 2 comes that says it ended, with an innocent run in the same batch
    innocent = Story("run_2").start()
    written = await write(pool, rival.events[1], *innocent.events)
    # Then the alarm keeps the rival, the journal and the row keep what they had, and the innocent run is written
    assert written.rows == 1
    assert await alarms(pool) == [("other_content", "run_1", 1, 2, rival.events[1].tip, rival.events[1].body)]
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events
    assert (await row(pool)).status == "RUNNING"
    assert await PostgresJournal(pool).events(innocent.run_id, 0, 100) == innocent.events
    # And the same rival again is the same alarm
    await write(pool, rival.events[1])
    assert len(await alarms(pool)) == 1


@pytest.mark.parametrize(
    "event",
    [
        JournalEvent(RunId("run_9"), 1, 1, Tip("aa"), b"no JSON"),
        JournalEvent(RunId("run_9"), 1, 1, Tip("aa"), b'{"at":"noon"}'),
        JournalEvent(RunId("run_9"), 1, 1, Tip("aa"), b'{"at":1,"cause":"a\\u0000b"}'),
        JournalEvent(RunId("run_9"), 1, 0, Tip("aa"), b'{"at":1,"cause":"start"}'),
        JournalEvent(RunId("run_9"), 1 << 70, 1, Tip("aa"), b'{"at":1,"cause":"start"}'),
        JournalEvent(RunId("run_9"), 1, 1, Tip(""), b'{"at":1,"cause":"start"}'),
        JournalEvent(RunId("run\x009"), 1, 1, Tip("a\x00"), b'{"at":1,"cause":"start"}'),
    ],
    ids=["no JSON", "wrong type", "NUL in its cause", "seq 0", "huge epoch", "no tip", "NUL in its id"],
)
async def test_an_event_that_no_row_takes_stops_no_other(pool: Pool, event: JournalEvent) -> None:
    story = Story().start().steps(1)
    written = await write(pool, story.events[0], event, story.events[1])
    assert written.rows == 2
    assert [(alarm[0], alarm[5]) for alarm in await alarms(pool)] == [("unreadable", event.body)]
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events


@pytest.mark.parametrize("data", [b'"\xff\xfe"', b'"a\\u0000b"', b"1e999999", b"[" * 900 + b"]" * 900])
async def test_whatever_bytes_a_worker_sent_are_kept_exactly(pool: Pool, data: bytes) -> None:
    await accept(pool)
    story = Story().start().end(Output(msgspec.Raw(data)))
    assert (await write(pool, *story.events)).alarms == ()
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events
    assert bytes((await row(pool)).output.data) == data


async def row(pool: Pool, run: str = "run_1") -> RunRow:
    found = await Runs(pool).get(RunId(run))
    assert found is not None
    return found


async def test_the_row_of_a_run_follows_its_events(pool: Pool) -> None:
    # Given an accepted run
    await accept(pool)
    accepted = await row(pool)
    story = Story().start().steps(3).tell("pause", status="PAUSED").steps(1).tell("resume", status="RUNNING").end()
    # When its events are written a few at a time
    await write(pool, *story.events[:3])
    running = await row(pool)
    await write(pool, *story.events[3:6])
    paused = await row(pool)
    await write(pool, *story.events[6:])
    final = await row(pool)
    # Then the row says what the last event that changes it said
    started = msgspec.structs.replace(accepted, status="RUNNING", seq=1, started_at=Millis(T0))
    assert running == started
    assert paused == msgspec.structs.replace(started, status="PAUSED", seq=5)
    assert final == msgspec.structs.replace(started, status="COMPLETED", seq=8, ended_at=Millis(T0 + 7))


async def test_a_run_that_starts_and_ends_in_one_batch_is_final(pool: Pool) -> None:
    await accept(pool, input=inline([1]), metadata={"team": "blue"})
    story = Story().start().steps(1).end(inline({"ok": True}))
    written = await write(pool, *story.events)
    assert written.ended == {story.run_id: "COMPLETED"}
    assert await row(pool) == RunRow(
        run_id=story.run_id,
        workflow="triage",
        version=None,
        definition=DIGEST,
        plan=DIGEST,
        engine="cel-cpp",
        status="COMPLETED",
        revision=1,
        seq=3,
        input=inline([1]),
        output=inline({"ok": True}),
        error=None,
        metadata={"team": "blue"},
        created_at=Millis(T0),
        started_at=Millis(T0),
        ended_at=Millis(T0 + 2),
    )


async def test_a_failed_run_keeps_why_it_failed(pool: Pool) -> None:
    await accept(pool)
    error = ErrorInfo("boom", "a NUL \0 and a \N{SNOWMAN}")
    await write(pool, *Story().start().end(EMPTY, status="FAILED", error=error).events)
    assert ((await row(pool)).status, (await row(pool)).error) == ("FAILED", error)


async def test_a_run_that_nobody_accepted_gets_a_row_from_its_first_event(pool: Pool) -> None:
    story = Story().start(input=inline("x"), metadata={"a": 1}).steps(1)
    await write(pool, *story.events)
    found = await row(pool)
    assert (found.status, found.input, found.metadata, found.started_at) == ("RUNNING", inline("x"), {"a": 1}, T0)


async def test_a_projection_that_a_constraint_refuses_does_not_stop_the_journal(pool: Pool) -> None:
    # Given an edit whose new definition is nowhere in the database
    await accept(pool)
    await accept(pool, "run_2")
    unknown = Patch(2, DIGEST, Digest("0" * 64), DIGEST)
    story = Story().start().tell("patch", patch=unknown)
    other = Story("run_2").start().end()
    # When it is written together with another run's end
    written = await write(pool, *story.events, *other.events)
    # Then every event is durable, the other run is final, and an alarm names the event
    assert (written.rows, written.ended) == (4, {other.run_id: "COMPLETED"})
    assert [alarm[:4] for alarm in await alarms(pool)] == [("projection_refused", "run_1", 1, 2)]
    assert await PostgresJournal(pool).events(story.run_id, 0, 100) == story.events
    assert (await row(pool, "run_2")).status == "COMPLETED"


async def test_an_accepted_edit_is_listed_and_moves_the_row(pool: Pool) -> None:
    # Given an edit with text that Postgres' own types would choke on
    await accept(pool)
    definition = await Documents(pool).put_definition(b'{"edited":true}')
    operations = ({"op": "add", "path": "/nodes/-", "value": {"id": "n", "config": "\0"}},)
    inverse = ({"op": "remove", "path": "/nodes/n"},)
    patch = Patch(2, DIGEST, definition, DIGEST, "ann\0", "add n", operations, inverse)
    # When it is written
    await write(pool, *Story().start().tell("patch", patch=patch).events)
    # Then it is there, and the run points at what it made
    (taken,) = await Patches(pool).taken(RunId("run_1"))
    assert msgspec.json.decode(taken.operations) == list(operations)
    assert msgspec.structs.replace(taken, operations=msgspec.Raw(b"")) == TakenPatch(
        2,
        2,
        Millis(T0 + 1),
        "ann\N{REPLACEMENT CHARACTER}",
        "add n",
        msgspec.Raw(b""),
        msgspec.Raw(b'[{"op":"remove","path":"/nodes/n"}]'),
        DIGEST,
        definition,
        DIGEST,
    )
    found = await row(pool)
    assert (found.revision, found.definition, found.seq) == (2, definition, 2)


async def test_events_that_a_later_epoch_supersedes_are_not_read(pool: Pool) -> None:
    # Given a run of which Redis lost everything behind event 3, and that went on from there under epochs 2 and 3
    await accept(pool)
    before, after, last = Story().start().steps(5), Story(epoch=2).start().steps(4), Story(epoch=3).start().steps(3)
    later = [*before.events, *after.events[3:], *last.events[4:]]
    await write(pool, *(event for event in later if event.seq <= 3 or event.epoch > 1))
    # When a straggler of the first epoch comes in behind, and says that the run ended
    journal = PostgresJournal(pool)
    straggler = Story().start().steps(2).end().events[3]
    await write(pool, straggler)
    # Then reading passes it over, page by page, and the row stays as it is
    expected = [*before.events[:3], *after.events[3:5]]
    assert await journal.events(RunId("run_1"), 0, 100) == expected
    assert await journal.events(RunId("run_1"), 3, 1) == expected[3:4]
    assert await journal.position(RunId("run_1")) == 5
    assert (await row(pool)).status == "RUNNING"


async def test_two_writers_at_once_write_each_event_once(pool: Pool) -> None:
    # Given many runs
    stories = [Story(f"run_{number}").start().steps(3).end() for number in range(40)]
    for story in stories:
        await accept(pool, story.run_id)
    batch = [event for story in stories for event in story.events]
    # When the same batch is written by several at the same time
    written = await asyncio.gather(*(write(pool, *batch) for _ in range(4)))
    # Then each event was new to exactly one of them
    assert sum(one.rows for one in written) == len(batch)
    assert await pool.fetchval("SELECT count(*) FROM events") == len(batch)
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE status = 'COMPLETED'") == len(stories)


async def test_an_empty_batch_is_no_trouble_at_all(pool: Pool) -> None:
    assert await write(pool) == Written(0, {})
