"""Retention: what has ended long ago goes, whole, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
import structlog

from pointsman.adapters.postgres.idempotency import IdempotencyKeys
from pointsman.adapters.postgres.queries import sql
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Millis, RunId
from pointsman.ports.retention import FIRST
from pointsman.ports.run_index import Request
from pointsman.protocol.output import Output, inline
from supervisor.retention import BATCH, DAY_MS, Archivist, Clearing
from tests.supervisor.depot import Depot
from tests.support.journalled import Story
from tests.support.processes import started
from tests.support.stories import START
from tests.support.waiting import eventually

HOUR = 3_600_000
ONE = inline(1)
TABLES = ("runs", "events", "patches", "patch_audit", "journal_alarms", "dead_letters", "stuck_runs")
BLOB = "a" * 64


class Shelf:
    """An archive that remembers what it was given, and refuses some of it."""

    def __init__(self, *refused: str) -> None:
        self.kept: list[str] = []
        self._refused = refused

    async def keep(self, run: RunId) -> str:
        if run in self._refused:
            raise PointsmanError("SRV031", "a blob is missing")
        self.kept.append(run)
        return run


def clearing(depot: Depot, archivist: Archivist | None = None, keep_ms: int = HOUR) -> Clearing:
    """The duty, which keeps runs for an hour."""
    records = PostgresRetention(depot.pool)
    return Clearing(records, depot.store, archivist, asyncio.Event(), depot.metrics, keep_ms=keep_ms)


async def ended(depot: Depot, *names: str, ago_ms: int = 2 * HOUR, output: Output = ONE) -> None:
    """Runs that are in Postgres alone, and ended so long ago."""
    for name in names:
        await depot.accept(name, created_at=Millis(START))
        await depot.journal.append(Story(name).start().end(output).events)
    at = await depot.store.now() - ago_ms
    await depot.pool.execute("UPDATE runs SET ended_at = $1 WHERE run_id = ANY ($2)", at, list(names))


async def runs(depot: Depot) -> list[str]:
    """The runs there are."""
    return [row["run_id"] for row in await depot.pool.fetch("SELECT run_id FROM runs ORDER BY run_id")]


def archived(place: Path) -> list[str]:
    """The directories of archived runs."""
    return [file.parent.name for file in place.rglob("*.jsonl")]


async def rows(depot: Depot) -> dict[str, int]:
    """How many rows each table has that a run may have some in."""
    return {name: await depot.pool.fetchval(f"SELECT count(*) FROM {name}") for name in TABLES}


async def test_a_run_goes_after_its_time_with_all_that_belongs_to_it(depot: Depot) -> None:
    # Given a run that ended long ago and has left something everywhere, one that ended just now, and an open one
    await ended(depot, "old")
    await ended(depot, "young", ago_ms=HOUR // 2)
    await depot.start("open")
    before = await rows(depot)
    for statement in (
        "INSERT INTO patches SELECT 'old', 2, 1, 1, '', '', '[]', '[]', definition, definition, plan FROM runs "
        "WHERE run_id = 'old'",
        "INSERT INTO patch_audit (run_id, by, description, operations, code, problems) "
        "VALUES ('old', '', '', '[]', 'EDT001', '[]')",
        "INSERT INTO journal_alarms (kind, run_id, epoch, seq, tip, body, detail) "
        "VALUES ('unreadable', 'old', 1, 1, 'tip', '', '')",
        "INSERT INTO dead_letters (id, kind, at, run_id, epoch, seq, token, code, message) "
        "VALUES ('dl', 'failed', 1, 'old', 1, 1, ':a', '', '')",
        "INSERT INTO stuck_runs VALUES ('old', 'no token is open')",
    ):
        await depot.pool.execute(statement)
    # When the time of the first is over
    with structlog.testing.capture_logs() as logs:
        await clearing(depot).clear()
    # Then nothing is left of it, the others are untouched, and that is told
    assert await runs(depot) == ["open", "young"]
    assert await rows(depot) == {**before, "runs": 2, "events": before["events"] - 2}
    assert [(line["event"], line["runs"]) for line in logs] == [("runs_removed", 1)]
    assert depot.metrics.runs_removed._value.get() == 1


async def test_a_dead_letter_of_no_run_goes_after_its_time(depot: Depot) -> None:
    # Given signals that were set aside, which name no run, a run that never was, and one that is open
    await depot.start("open")
    long_ago = await depot.store.now() - 2 * HOUR
    letters = [("none", long_ago, None), ("unknown", long_ago, "never"), ("open", long_ago, "open")]
    letters += [("young", long_ago + HOUR + HOUR // 2, None)]
    for letter, at, run in letters:
        await depot.pool.execute(
            "INSERT INTO dead_letters (id, kind, at, run_id, code, message, signal, signal_length) "
            "VALUES ($1, 'rejected', $2, $3, '', '', 'x', 1)",
            letter,
            at,
            run,
        )
    # When the time of all but the last is over
    await clearing(depot).clear()
    # Then what no run stands for is gone, and a letter of a run goes with its run
    kept = await depot.pool.fetch("SELECT id FROM dead_letters ORDER BY id")
    assert [row["id"] for row in kept] == ["open", "young"]


def document(name: str) -> bytes:
    """A definition, or a plan: here they are the same."""
    return f'{{"name":"{name}"}}'.encode()


async def stored(depot: Depot, table: str) -> list[str]:
    """The documents that there are, but for what every run of these tests has."""
    found = [bytes(row["body"]).decode() for row in await depot.pool.fetch(f"SELECT body FROM {table}")]
    return sorted(body.split('"')[3] for body in found if body.startswith('{"name":') and body.count('"') == 4)


async def test_a_definition_that_nothing_refers_to_goes_and_so_does_its_plan(depot: Depot) -> None:
    # Given what nothing refers to, what has been stored just now, or stored again; and what a run was begun with, that
    # was edited since
    for name in ("alone", "young", "again", "first"):
        await depot.documents.put(document(name), document(name))
    run = await depot.accept("open")
    first = hashlib.sha256(document("first")).hexdigest()
    await depot.pool.execute("UPDATE runs SET definition = $1, plan = $1", first)
    await depot.pool.execute(
        "INSERT INTO patches (run_id, revision, seq, at, by, description, operations, base_definition, definition, "
        "plan) VALUES ('open', 2, 2, 1, '', '', '[]', $1, $2, $3)",
        first,
        run.definition,
        run.plan,
    )
    await depot.pool.execute("UPDATE runs SET definition = $1, plan = $2", run.definition, run.plan)
    for table in ("definitions", "plans"):
        await depot.pool.execute(f"UPDATE {table} SET stored_at = stored_at - $1", 2 * DAY_MS)
    await depot.documents.put(document("young"), document("young"))
    await depot.documents.put_definition(document("again"))
    await depot.documents.put_plan(document("again"))
    # When a supervisor clears up
    await clearing(depot).clear()
    # Then only the first of them is gone
    assert await stored(depot, "definitions") == ["again", "first", "young"]
    assert await stored(depot, "plans") == ["again", "first", "young"]
    assert (await depot.row(run.run_id)).plan == run.plan


@pytest.mark.parametrize("kind", ["definitions", "plans"])
async def test_a_document_that_is_stored_while_it_is_removed_is_there_afterwards(depot: Depot, kind: str) -> None:
    # Given a document of long ago, which is being removed
    put = depot.documents.put_definition if kind == "definitions" else depot.documents.put_plan
    await put(document("late"))
    await depot.pool.execute(f"UPDATE {kind} SET stored_at = 0")
    async with depot.pool.acquire() as connection:
        removing = connection.transaction()
        await removing.start()
        await connection.execute(sql(f"remove_unused_{kind}"), DAY_MS, BATCH)
        # When a start stores it
        putting = asyncio.ensure_future(put(document("late")))
        await eventually(lambda: depot.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        await removing.commit()
    # Then the start goes on, and has it
    await putting
    assert await stored(depot, kind) == ["late"]


async def test_a_run_that_redis_still_holds_is_kept_until_it_is_cleaned_up(depot: Depot) -> None:
    # Given a run that is final in Postgres, and that nobody has cleaned up after yet
    run = await depot.run_through()
    await depot.journal.append(await depot.streamed())
    assert (await depot.row(run)).status == "COMPLETED"
    # When its time is over
    await clearing(depot, keep_ms=-HOUR).clear()
    # Then it is kept, and goes once Redis has let it go
    assert await runs(depot) == [run]
    assert await depot.store.finish([run]) == [True]
    await clearing(depot, keep_ms=-HOUR).clear()
    assert await runs(depot) == []


@pytest.mark.parametrize("status", ["running", "waiting", "stopped"])
async def test_a_run_that_an_open_edit_of_a_fleet_names_is_kept(depot: Depot, status: str) -> None:
    # Given an old run in an edit of a fleet that is not over
    await ended(depot, "old")
    definition = await depot.pool.fetchval("SELECT definition FROM runs")
    plan = await depot.pool.fetchval("SELECT plan FROM runs")
    await depot.pool.execute("INSERT INTO workflows VALUES ('orders', 1)")
    await depot.pool.execute(
        "INSERT INTO workflow_versions (workflow, version, definition, plan, created_by) "
        "VALUES ('orders', 1, $1, $2, '')",
        definition,
        plan,
    )
    await depot.pool.execute(
        "INSERT INTO fleet_edits (id, workflow, version, operations, description, by, on_running, rate_per_s, "
        "stop_on_error_share, runs, reach, status) VALUES ('e', 'orders', 1, '[]', '', '', 'refuse', 1, 1, 1, 1, $1)",
        status,
    )
    await depot.pool.execute("INSERT INTO fleet_edit_items (edit, position, run_id) VALUES ('e', 1, 'old')")
    await clearing(depot).clear()
    assert await runs(depot) == ["old"]
    # And it goes once that is over, while what became of it there is told still
    await depot.pool.execute("UPDATE fleet_edits SET status = 'completed'")
    await clearing(depot).clear()
    assert await runs(depot) == []
    assert await depot.pool.fetchval("SELECT run_id FROM fleet_edit_items") == "old"


async def test_many_runs_go_batch_by_batch_and_those_that_stay_hold_up_none(depot: Depot) -> None:
    # Given more runs than a batch has, one of them not to be archived
    names = [f"run-{number:03}" for number in range(BATCH + 10)]
    await ended(depot, *names)
    shelf = Shelf(names[3])
    # When they are cleared away
    with structlog.testing.capture_logs() as logs:
        await clearing(depot, shelf).clear()
    # Then each was archived before it went, but for the one, which stays and is told of
    assert await runs(depot) == [names[3]]
    assert sorted(shelf.kept) == names[:3] + names[4:]
    assert [line["run_id"] for line in logs if line["event"] == "archive_failed"] == [names[3]]


async def test_a_run_that_is_no_longer_to_go_stays_though_it_was_listed(depot: Depot) -> None:
    # Given a run that was listed, and open by another clock when it came to it
    await ended(depot, "old")
    records, now = PostgresRetention(depot.pool), await depot.store.now()
    assert [found.run_id for found in await records.expired(now, FIRST, 10)] == ["old"]
    # Then what may not go does not
    assert await records.remove([RunId("old")], Millis(now - 3 * HOUR)) == 0
    assert await runs(depot) == ["old"]


async def test_one_supervisor_at_a_time_clears_up(depot: Depot) -> None:
    records = PostgresRetention(depot.pool)
    async with records.held() as first, records.held() as second:
        assert (first, second) == (True, False)
    async with records.held() as again:
        assert again


async def test_a_key_is_forgotten_before_the_run_that_it_names(depot: Depot) -> None:
    # Given a key of long ago and one of just now
    keys, old, young = IdempotencyKeys(depot.pool), Request("r", "old", "a" * 64), Request("r", "new", "a" * 64)
    for request in (old, young):
        await keys.claim(request)
    await depot.pool.execute("UPDATE idempotency_keys SET created_at = created_at - $1 WHERE key = 'old'", HOUR)
    # When the time of the first is over
    await clearing(depot).clear()
    # Then it is free, and the other is not
    assert [(await keys.claim(request)).outcome for request in (old, young)] == ["fresh", "running"]


async def test_what_runs_that_are_kept_refer_to_is_known_and_released_with_them(depot: Depot) -> None:
    # Given two runs that refer to one blob
    await ended(depot, "old", "young", output=Output(ref=f"blob://{BLOB}"))
    await depot.pool.execute("UPDATE runs SET ended_at = ended_at + $1 WHERE run_id = 'young'", 2 * HOUR)
    found = await depot.pool.fetch("SELECT digest, run_id, released_at FROM blob_references ORDER BY run_id")
    assert [tuple(row) for row in found] == [(BLOB, "old", None), (BLOB, "young", None)]
    # When one of them goes
    await clearing(depot).clear()
    # Then the other one's reference stands
    found = await depot.pool.fetch("SELECT run_id, released_at IS NULL FROM blob_references ORDER BY run_id")
    assert [tuple(row) for row in found] == [("old", False), ("young", True)]


async def test_a_run_that_an_open_fork_begins_with_is_kept_until_that_has_ended(depot: Depot) -> None:
    # Given an old run, and a fork of it that has not ended
    await ended(depot, "old")
    await depot.accept("fork")
    await depot.pool.execute(
        "UPDATE runs SET forked_from = 'old', fork = $1 WHERE run_id = 'fork'", '{"run_id": "old", "seq": 1}'
    )
    await clearing(depot).clear()
    assert await runs(depot) == ["fork", "old"]
    # And it goes once the fork has ended, which was long ago as well
    await depot.journal.append(Story("fork").start().end(ONE).events)
    await clearing(depot).clear()
    assert await runs(depot) == []


async def test_a_supervisor_archives_and_removes_what_it_is_told_to(
    depot: Depot, database: str, redis_db: str, tmp_path: Path
) -> None:
    # Given a run that ended two days ago, and one that ended just now
    await ended(depot, "old", ago_ms=48 * HOUR)
    await ended(depot, "young", ago_ms=0)
    servers = {"DATABASE_URL": database, "REDIS_URL": redis_db, "POINTSMAN_DATA_DIR": str(tmp_path)}
    # When a supervisor runs that keeps runs for a day and archives them
    kept = {"POINTSMAN_RETENTION_DAYS": "1", "POINTSMAN_RETENTION_ARCHIVE": "true"}
    async with started("supervisor", **servers, **kept):

        async def is_gone() -> bool:
            return await runs(depot) == ["young"]

        await eventually(is_gone)
    # Then the first is in the archive alone
    assert archived(tmp_path) == ["run=old"]
