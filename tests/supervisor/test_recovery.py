"""Recovery on real servers: which runs are rebuilt, which are left alone, and what is told of it."""

from __future__ import annotations

from typing import Any

from pointsman.base.ids import RunId
from pointsman.execute.recovery import ASKED_FOR, Recovery
from pointsman.ports.recovery import Opening
from tests.supervisor.depot import Depot
from tests.support.driven import token
from tests.support.waiting import eventually


async def nothing() -> None:
    """Nothing stands on the stream, and the lease is held."""


async def opened(recovery: Recovery) -> Opening:
    """Open the fence where the stream is empty."""
    return await recovery.open(nothing, nothing)


async def under_way(depot: Depot, *runs: str) -> list[RunId]:
    """Runs that have done their first step, all of it journalled."""
    async with depot.journalling():
        started = [await depot.start(run) for run in runs]
        for run in started:
            await depot.complete(run, "a")
        for run in started:
            await eventually(lambda run=run: depot.is_written(run, 2))  # type: ignore[misc]
    return started


async def flush(depot: Depot) -> None:
    """Lose everything, and know of it."""
    await depot.partition.connection.ask("FLUSHDB")
    await depot.partition.rejoin()


def counts(opening: Opening) -> tuple[str, int, int, int, int]:
    """Why, and what came of it."""
    return opening.reason, opening.checked, opening.restored, opening.dropped, opening.failed


async def attempts(depot: Depot, run: RunId) -> dict[str, int]:
    """The open tokens of a run in Redis, and the attempts that are out."""
    (found,) = (await depot.store.load([run])).values()
    return {name: state.attempt for name, state in found.tokens.items()}


async def test_only_runs_that_redis_does_not_have_are_rebuilt(depot: Depot) -> None:
    # Given three runs, of which Redis has lost one
    one, two, three = await under_way(depot, "run_1", "run_2", "run_3")
    await depot.partition.connection.ask("DEL", f"run:{two}")
    # When the fence is closed and opened
    opening = await opened(depot.recovery())
    # Then that one is as its journal has it, what was out is out again, and the others were not touched
    assert counts(opening) == ("server_restarted", 3, 1, 0, 0)
    assert [await attempts(depot, run) for run in (one, two, three)] == [
        {token("b"): 1},
        {token("b"): 2},
        {token("b"): 1},
    ]
    assert b'pointsman_recoveries_total{reason="server_restarted"} 1.0' in depot.metrics.render()
    assert b"pointsman_runs_recovered_total 1.0" in depot.metrics.render()


async def test_what_was_asked_for_rebuilds_every_open_run(depot: Depot) -> None:
    one, two = await under_way(depot, "run_1", "run_2")
    recovery = depot.recovery()
    assert await recovery.is_open()
    epoch = await recovery.ask()
    assert not await recovery.is_open()
    opening = await opened(recovery)
    assert opening.epoch > epoch
    assert counts(opening) == (ASKED_FOR, 2, 2, 0, 0)
    assert [await attempts(depot, run) for run in (one, two)] == [{token("b"): 2}] * 2
    assert await recovery.is_open()


async def test_a_run_goes_on_from_where_its_journal_has_a_gap(depot: Depot) -> None:
    # Given a run of which the second event is not in the journal, but the third is
    (run,) = await under_way(depot, "run_1")
    async with depot.journalling():
        await depot.complete(run, "b")
        await eventually(lambda: depot.is_written(run, 3))
    await depot.pool.execute("DELETE FROM events WHERE run_id = $1 AND seq = 2", run)
    await flush(depot)
    # When Redis is recovered
    assert counts(await opened(depot.recovery())) == ("state_lost", 1, 1, 0, 0)
    # Then the run stands before the gap, and what comes now supersedes what stood behind it
    assert await attempts(depot, run) == {token("a"): 2}
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 2))
    told = await depot.journal.events(run, 0, 10)
    assert [(event.seq, event.epoch > told[0].epoch) for event in told] == [(1, False), (2, True)]


async def test_one_run_that_cannot_be_rebuilt_keeps_no_other_from_it(depot: Depot) -> None:
    # Given two runs, of which the journal of one does not begin with its start
    one, two = await under_way(depot, "run_1", "run_2")
    await depot.pool.execute("DELETE FROM events WHERE run_id = $1 AND seq = 1", one)
    await depot.pool.execute("UPDATE events SET tip = 'other' WHERE run_id = $1", one)
    # When the fence is closed and opened
    assert counts(await opened(depot.recovery())) == ("server_restarted", 2, 0, 0, 1)
    # Then the other is there, and that one does not go on from what Redis had of it
    assert await depot.store.load([one]) == {}
    assert await attempts(depot, two) == {token("b"): 1}


async def test_a_redis_that_is_ahead_of_an_older_postgres_keeps_its_runs(depot: Depot) -> None:
    # Given a Postgres that came back from a backup, without the last event of a run
    (run,) = await under_way(depot, "run_1")
    await depot.pool.execute("DELETE FROM events WHERE run_id = $1 AND seq = 2", run)
    # When the fence is closed and opened
    assert counts(await opened(depot.recovery())) == ("server_restarted", 1, 0, 0, 0)
    # Then the run is where Redis has it
    assert await attempts(depot, run) == {token("b"): 1}


async def test_runs_that_have_ended_do_not_come_back(depot: Depot) -> None:
    # Given a run whose end is journalled, and that an older file brings back whole
    run = await depot.start("run_1")
    before: Any = await depot.partition.connection.ask("DUMP", f"run:{run}")
    async with depot.journalling():
        await depot.complete(run, "a", "b", "c")
        await eventually(lambda: depot.is_written(run, 4))
    await depot.partition.connection.ask("RESTORE", f"run:{run}", 0, before)
    # And one that was accepted and never started
    await depot.accept("run_2")
    # When the fence is closed and opened
    assert counts(await opened(depot.recovery())) == ("server_restarted", 0, 0, 1, 0)
    # Then neither is in Redis: the first is over, the second still waits for whoever starts what was accepted
    assert await depot.store.load([run, RunId("run_2")]) == {}
    row = await depot.row(RunId("run_2"))
    assert (row.status, row.started_at) == ("QUEUED", None)
