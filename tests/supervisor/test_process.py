from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest

from pointsman.adapters.postgres.dead_letters import PostgresDeadLetters
from pointsman.base.ids import RunId
from pointsman.ports.dead_letters import LetterFilter
from tests.supervisor.depot import Depot
from tests.support.processes import ended, free_port, started
from tests.support.waiting import eventually


@pytest.fixture
def settings(database: str, redis_db: str, tmp_path: Path) -> dict[str, str]:
    """What a supervisor is told about its servers."""
    return {"DATABASE_URL": database, "REDIS_URL": redis_db, "POINTSMAN_DATA_DIR": str(tmp_path)}


async def is_over(depot: Depot, run: RunId) -> bool:
    return not await depot.keys(run) and not await depot.streamed()


@pytest.mark.parametrize("point", ["between_journal_and_ack", "between_final_row_and_cleanup"])
async def test_a_supervisor_that_dies_half_way_is_taken_over_from(
    depot: Depot, settings: dict[str, str], point: str
) -> None:
    # Given a run that ended
    run = await depot.run_through()
    events = await depot.streamed()
    # When the supervisor that writes its journal is killed half-way
    code, _ = await ended("supervisor", **settings, POINTSMAN_CRASH_AT=point)
    # Then everything is durable, and nothing has left Redis
    assert code == -signal.SIGKILL
    assert await depot.journal.events(run, 0, 100) == events
    assert await depot.streamed() == events
    assert len(await depot.keys(run)) > 3
    # And the next supervisor sees it through, without a trace of the first
    async with started("supervisor", **settings):
        await eventually(lambda: is_over(depot, run))
    assert await depot.journal.events(run, 0, 100) == events
    assert (await depot.row(run)).status == "COMPLETED"
    assert await depot.alarms() == []


async def test_a_signal_set_aside_becomes_one_letter_though_the_supervisor_dies_half_way(
    depot: Depot, settings: dict[str, str]
) -> None:
    # Given two signals that were set aside, one of a run and one of nothing
    run = await depot.start()
    job = f"{run}::nowhere:3"
    await depot.set_aside(b'{"job_id": "%b", "status": "completed"}' % job.encode(), "RUN007", "there is no such node")
    await depot.set_aside(b"\xff junk", "SIG001", "no JSON")
    # When the supervisor dies between writing them down and taking them off the stream
    code, _ = await ended("supervisor", **settings, POINTSMAN_CRASH_AT="between_letter_and_removal")
    assert code == -signal.SIGKILL
    assert await depot.partition.connection.ask("XLEN", "wf.signals.rejected") == 2
    # Then the next one takes them off, and each is one letter
    async with started("supervisor", **settings):
        await eventually(lambda: depot.nothing_set_aside())
    letters = await PostgresDeadLetters(depot.pool).page(LetterFilter())
    told = [(found.run_id, found.workflow, found.node, found.attempt, found.code, found.signal) for found in letters]
    assert sorted(told, key=lambda letter: letter[4]) == [
        (run, "test", "nowhere", 3, "RUN007", b'{"job_id": "%b", "status": "completed"}' % job.encode()),
        (None, None, None, None, "SIG001", b"\xff junk"),
    ]


async def test_two_supervisors_share_their_duties_and_either_may_die(depot: Depot, settings: dict[str, str]) -> None:
    async def sees_to(run_id: str) -> None:
        run = await depot.run_through(run_id)
        await eventually(lambda: is_over(depot, run))
        assert [event.seq for event in await depot.journal.events(run, 0, 100)] == [1, 2, 3, 4]

    # Given two supervisors
    async with started("supervisor", **settings) as first, started("supervisor", **settings) as second:
        await sees_to("run_1")
        # When one is killed, then the other sees to everything
        first.kill()
        await sees_to("run_2")
        # And the other way round, whichever of them wrote the journal
        async with started("supervisor", **settings):
            second.kill()
            await sees_to("run_3")
    assert await depot.alarms() == []


async def test_a_supervisor_that_is_told_to_stop_drains(depot: Depot, settings: dict[str, str]) -> None:
    # Given a supervisor at work, that says so
    port = str(free_port())
    run = await depot.run_through()
    async with started("supervisor", **settings, POINTSMAN_SUPERVISOR_METRICS_PORT=port) as process:
        await eventually(lambda: is_over(depot, run))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/readyz")).json() == {"ready": True, "reasons": {}}
            assert "pointsman_journal_rows_total 4.0" in (await client.get("/metrics")).text
        # When it is told to stop, then it ends in good order
        process.terminate()
        _, told = await process.communicate()
        assert process.returncode == 0
        assert "service_drained" in told.decode().splitlines()[-1]


async def test_a_supervisor_without_its_schema_does_not_start(settings: dict[str, str], postgres_db: str) -> None:
    code, told = await ended("supervisor", **{**settings, "DATABASE_URL": postgres_db})
    assert code == 3
    assert told.splitlines()[-1].startswith("SRV043 the database has 0 of the")


async def test_a_supervisor_whose_port_is_taken_does_not_start(settings: dict[str, str]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        code, told = await ended("supervisor", **settings, POINTSMAN_SUPERVISOR_METRICS_PORT=port)
    assert code == 3
    assert told.splitlines()[-1].startswith(f"SRV050 cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1"}, 3, "SRV001 Redis at 127.0.0.1:1 cannot be reached"),
        ({"DATABASE_URL": "postgresql://a:secret@127.0.0.1:1/b"}, 3, "SRV040 127.0.0.1:1/b: Postgres cannot be used"),
        ({"DATABASE_URL": "mysql://here"}, 2, "CFG001 supervisor: DATABASE_URL is (not shown)"),
    ],
)
async def test_a_wrong_server_or_setting_is_one_line_and_a_code(
    settings: dict[str, str], changes: dict[str, str], code: int, told: str
) -> None:
    found, line = await ended("supervisor", **{**settings, **changes})
    assert found == code
    assert line.startswith(told)
    assert line.count("\n") == 1
    assert "secret" not in line
