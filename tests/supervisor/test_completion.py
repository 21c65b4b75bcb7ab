from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from pointsman.adapters.postgres.migrate import migrate
from pointsman.base.ids import RunId
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Cancel
from tests.supervisor.depot import Depot, depot_on
from tests.support.journalled import Story
from tests.support.waiting import eventually


async def is_gone(depot: Depot, run: RunId) -> bool:
    return not await depot.keys(run)


async def test_a_run_that_ended_leaves_redis_with_its_final_row_written(depot: Depot) -> None:
    # Given a run that ended
    run = await depot.run_through()
    # When its journal is written
    async with depot.journalling():
        await eventually(lambda: is_gone(depot, run))
    # Then Postgres has its end, and Redis nothing of it
    row = await depot.row(run)
    assert (row.status, row.seq, row.output) == ("COMPLETED", 4, inline({"c": {"did": "c"}}))
    assert (await depot.journal.position(run), await depot.streamed()) == (4, [])
    assert b'pointsman_runs_final_total{status="COMPLETED"} 1.0' in depot.metrics.render()


async def test_a_cancelled_run_leaves_redis_too(depot: Depot) -> None:
    run = await depot.start()
    await depot.executor.command(Cancel(run, by="ann"))
    async with depot.journalling():
        await eventually(lambda: is_gone(depot, run))
    assert (await depot.row(run)).status == "CANCELLED"


async def test_an_open_run_stays_where_it_is(depot: Depot) -> None:
    run, other = await depot.start("run_1"), await depot.run_through("run_2")
    before = await depot.keys(run)
    async with depot.journalling():
        await eventually(lambda: is_gone(depot, other))
    assert await depot.keys(run) == before


async def test_nothing_leaves_redis_before_postgres_has_it(tmp_path: Path, redis_db: str) -> None:
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        await migrate(server.dsn)
        async with depot_on(server.dsn, redis_db) as depot:
            run = await depot.run_through()
            before = await depot.keys(run)
            # Given a supervisor without Postgres
            await asyncio.to_thread(server.stop)
            async with depot.journalling() as service:
                await eventually(lambda: "journal" in service.health.reasons)
                # Then the run stays in Redis, with every event
                assert await depot.keys(run) == before
                assert len(await depot.streamed()) == 4
                # And leaves it when Postgres is back
                await asyncio.to_thread(server.start)
                await eventually(lambda: is_gone(depot, run), timeout=30)
            assert (await depot.row(run)).status == "COMPLETED"


async def test_settling_a_run_twice_changes_nothing_more(depot: Depot) -> None:
    run = await depot.run_through()
    async with depot.journalling():
        await eventually(lambda: is_gone(depot, run))
    before = await depot.store.dump()
    await depot.completion().settle({run: "COMPLETED"})
    assert await depot.store.dump() == before
    assert b"pointsman_completion_mismatches_total 0.0" in depot.metrics.render()


async def test_an_end_that_redis_knows_nothing_of_is_an_alarm_and_removes_nothing(depot: Depot) -> None:
    # Given a run with an open token
    run = await depot.start()
    (first,) = await depot.streamed()
    before = await depot.keys(run)
    # When an event says that it ended, and its row agrees
    forged = Story(run, epoch=first.epoch).start().end().events[1]
    await depot.put(forged)
    with structlog.testing.capture_logs() as logs:
        async with depot.journalling():
            await eventually(lambda: depot.is_written(run, 2))
    # Then the run is left alone, and the alarm says what does not fit
    assert await depot.keys(run) == before
    (told,) = [line for line in logs if line["event"] == "completion_mismatch"]
    assert told == {
        "event": "completion_mismatch",
        "log_level": "error",
        "run_id": run,
        "final_in_postgres": True,
        "status": "RUNNING",
        "open_tokens": [":a"],
    }
    assert b"pointsman_completion_mismatches_total 1.0" in depot.metrics.render()


async def test_an_end_without_a_final_row_is_an_alarm_and_removes_nothing(depot: Depot) -> None:
    # Given a run that ended, whose row does not say so
    run = await depot.run_through()
    before = await depot.keys(run)
    # When it is to be settled all the same
    await depot.completion().settle({run: "COMPLETED"})
    # Then it stays
    assert await depot.keys(run) == before
    assert b"pointsman_completion_mismatches_total 1.0" in depot.metrics.render()
