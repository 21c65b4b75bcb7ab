from __future__ import annotations

import asyncio
from pathlib import Path

from pointsman.adapters.postgres.connect import close, connect
from pointsman.adapters.postgres.migrate import migrate
from pointsman.embedded.postgres import EmbeddedPostgres
from tests.supervisor.depot import Depot, depot_on
from tests.support.journalled import BODY, Story
from tests.support.waiting import eventually

AN_HOUR_MS = 3_600_000


async def test_events_go_from_the_stream_to_postgres_in_order(depot: Depot) -> None:
    # Given a run that has begun
    run = await depot.start()
    await depot.complete(run, "a")
    events = await depot.streamed()
    # When a supervisor writes its journal while it goes on
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 2))
        await depot.complete(run, "b")
        await eventually(lambda: depot.is_written(run, 3))
    # Then all of it is there, the row follows, and the stream is empty
    assert (await depot.journal.events(run, 0, 100))[:2] == events
    assert (await depot.row(run)).status == "RUNNING"


async def test_a_lone_event_is_not_held_back_to_fill_a_batch(depot: Depot) -> None:
    async with depot.journalling(linger_ms=AN_HOUR_MS):
        run = await depot.start()
        await eventually(lambda: depot.is_written(run, 1))


async def test_draining_writes_down_what_was_read(depot: Depot) -> None:
    # Given a supervisor that holds back an event, because it has just written another
    async with depot.journalling(linger_ms=AN_HOUR_MS):
        run = await depot.start()
        await eventually(lambda: depot.is_written(run, 1))
        await depot.complete(run, "a")
        # When it drains
    # Then it has written it
    assert await depot.is_written(run, 2)


async def test_what_is_no_event_is_set_aside_and_stops_no_other(depot: Depot) -> None:
    # Given entries that nobody of ours has made, before and between a run's
    await depot.partition.connection.ask("XADD", "wf.events", "*", "hello", b"\xff")
    run = await depot.start()
    fields = ("run_id", "r", "epoch", "soon", "seq", "1", "tip", "t", "event", "{}")
    await depot.partition.connection.ask("XADD", "wf.events", "*", *fields)
    await depot.complete(run, "a")
    # When the journal is written
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 2))
    # Then their bytes are kept with an alarm
    assert await depot.alarms() == [("unreadable", "", 0), ("unreadable", "", 0)]
    bodies = await depot.pool.fetch("SELECT body FROM journal_alarms ORDER BY id")
    assert bodies[0]["body"] == b"hello \xff"


async def test_the_same_key_with_other_content_is_an_alarm(depot: Depot) -> None:
    # Given a run of which one event was written
    run = await depot.start()
    (first,) = await depot.streamed()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 1))
        # When the stream brings another event under its name
        rival = Story(run, epoch=first.epoch).start().events[0]
        await depot.put(rival)
        await eventually(lambda: depot.alarms())
        await eventually(lambda: depot.is_written(run, 1))
    # Then it is an alarm, counted, and the journal is as it was
    assert await depot.alarms() == [("other_content", run, 1)]
    assert await depot.journal.events(run, 0, 100) == [first]
    assert b'pointsman_journal_alarms_total{kind="other_content"} 1.0' in depot.metrics.render()


async def test_of_two_supervisors_one_writes_and_the_other_stands_by(depot: Depot) -> None:
    # Given two supervisors, one of which writes
    async with depot.journalling(), depot.journalling():
        run = await depot.start()
        await eventually(lambda: depot.is_written(run, 1))
        for node in ("a", "b", "c"):
            # When the one that writes loses its connection, again and again
            await hang_up_on_the_writer(depot.dsn)
            await depot.complete(run, node)
            # Then one of them goes on from there
            await eventually(lambda: everything_is_written(depot))
    written = await depot.journal.events(run, 0, 100)
    assert [event.seq for event in written] == [1, 2, 3, 4]
    assert await depot.alarms() == []


async def everything_is_written(depot: Depot) -> bool:
    return not await depot.streamed()


async def hang_up_on_the_writer(dsn: str) -> None:
    connection = await connect(dsn, name="test")
    await connection.execute(
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid "
        "WHERE a.datname = current_database() AND l.locktype = 'advisory'"
    )
    await close(connection)


async def test_a_restart_of_postgres_neither_loses_nor_doubles_an_event(tmp_path: Path, redis_db: str) -> None:
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        await migrate(server.dsn)
        async with depot_on(server.dsn, redis_db) as depot:
            await depot.documents.put_definition(BODY)
            await depot.documents.put_plan(BODY)
            stories = [Story(f"run_{number}").start().steps(30) for number in range(20)]
            events = [event for step in zip(*(story.events for story in stories), strict=True) for event in step]
            # When Postgres restarts while batches are being written, twice
            async with depot.journalling(batch=7):
                for begin in range(0, len(events), 62):
                    await depot.put(*events[begin : begin + 62])
                    if begin in (124, 372):
                        await eventually(lambda: depot.pool.fetchval("SELECT count(*) > 50 FROM events"))
                        await asyncio.to_thread(server.restart)
                await eventually(lambda: depot.is_written(stories[-1].run_id, 31), timeout=30)
            # Then each run's journal is what was put on the stream
            assert [await depot.journal.events(story.run_id, 0, 100) for story in stories] == [
                story.events for story in stories
            ]
            assert (
                await depot.pool.fetchval("SELECT count(*) FROM journal_alarms WHERE kind <> 'projection_refused'") == 0
            )


async def test_without_postgres_events_stay_on_the_stream(tmp_path: Path, redis_db: str) -> None:
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        await migrate(server.dsn)
        async with depot_on(server.dsn, redis_db) as depot:
            story = Story().start().steps(5)
            async with depot.journalling() as service:
                # Given a supervisor that has lost its Postgres
                await asyncio.to_thread(server.stop)
                await depot.put(*story.events)
                await eventually(lambda: "journal" in service.health.reasons)
                # Then nothing leaves the stream
                assert await depot.streamed() == story.events
                # And when Postgres is back, all of it is written
                await asyncio.to_thread(server.start)
                await eventually(lambda: depot.is_written(story.run_id, 6), timeout=30)


async def test_the_age_of_what_is_not_written_is_measured(depot: Depot) -> None:
    run = await depot.start()
    async with depot.journalling(lease_ttl_ms=50):
        await eventually(lambda: depot.is_written(run, 1))
        await eventually(lambda: depot.metrics.journal_lag_ms._value.get() == 0)
    assert b"pointsman_journal_rows_total 1.0" in depot.metrics.render()
