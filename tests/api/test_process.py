"""The API as a process: how it starts, stops, and dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from pointsman.adapters.postgres.runs import Runs
from pointsman.base.ids import RunId
from pointsman.service import Exit
from tests.api.room import HELLO, journalled, room_on, settings_of
from tests.support.processes import ended, free_port, started
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

START = {"definition": HELLO, "run_id": "run_1"}


@pytest.fixture
def environment(database: str, redis_db: str, tmp_path: Path) -> dict[str, str]:
    """Settings of a process on empty servers."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": redis_db,
        "PORT": "0",
        "POINTSMAN_DATA_DIR": str(tmp_path),
        "POINTSMAN_SUPERVISOR_RECONCILE_INTERVAL_MS": "50",
    }


@asynccontextmanager
async def api(**settings: str) -> AsyncIterator[tuple[Process, httpx.AsyncClient]]:
    """The API in a process of its own, and a caller."""
    async with started("orchestrator_api", **settings) as process:
        url = await said(process, "api_listening", "url")
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            yield process, client


async def said(process: Process, event: str, key: str) -> str:
    """What a process logs under `key` with the first event of that name."""
    assert process.stderr is not None
    async for line in process.stderr:
        told = json.loads(line)
        if told["event"] == event:
            return str(told[key])
    raise AssertionError(f"the process ended without {event}")


async def test_the_api_gives_way_to_the_processes_that_move_runs(environment: dict[str, str]) -> None:
    # Given the priority that a process is started with
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    # When the API is up
    async with api(**environment) as (process, _):
        # Then its own is lower
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(usual + 5, 19)


async def test_a_run_whose_acceptor_dies_before_starting_it_runs_all_the_same(
    environment: dict[str, str], pool: Pool
) -> None:
    # Given an API that dies between accepting a run and starting it
    key = {"Idempotency-Key": "k"}
    async with api(**environment, POINTSMAN_CRASH_AT="between_accept_and_start") as (process, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/api/v1/runs", json=START, headers=key)
        assert await process.wait() == -signal.SIGKILL
    # Then the run is in Postgres, and its start can be sent again
    row = await Runs(pool).get(RunId("run_1"))
    assert row is not None
    assert (row.status, row.seq) == ("QUEUED", 0)
    async with api(**environment) as (_, client):
        again = await client.post("/api/v1/runs", json=START, headers=key)
        assert (again.status_code, again.json()["run_id"]) == (201, "run_1")
        # And a supervisor starts it
        async with started("supervisor", **environment):

            async def runs() -> bool:
                return bool((await client.get("/api/v1/runs/run_1")).json()["status"] == "RUNNING")

            await eventually(runs)


async def test_told_to_stop_the_process_ends_streams_and_finishes_requests(
    environment: dict[str, str], database: str, redis_db: str, tmp_path: Path
) -> None:
    settings = settings_of(database, redis_db, tmp_path)
    async with room_on(settings) as room, api(**environment) as (process, client):
        # Given a watcher, and a command that waits for the journal
        async with journalled(room):
            await client.post("/api/v1/runs", json=START)
            await room.journal("run_1", 1)
        headers = {"Accept": "text/event-stream"}
        async with client.stream("GET", "/api/v1/runs/run_1/events", headers=headers) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "id: 1"
            pausing = asyncio.create_task(client.post("/api/v1/runs/run_1/pause"))

            async def paused() -> bool:
                return bool((await room.run("run_1"))["status"] == "PAUSED")

            await eventually(paused)
            # When the process is told to stop
            process.send_signal(signal.SIGTERM)
            # Then the stream ends as an answer should
            assert [line async for line in lines][-1] == ""
        # And the command is answered once it is durable
        async with journalled(room):
            assert (await pausing).status_code == 200
        assert await process.wait() == Exit.DRAINED


async def test_a_port_that_is_taken_is_said_in_one_line(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, told = await ended("orchestrator_api", **{**environment, "PORT": str(port)})
    assert (code, told.splitlines()) == (
        Exit.BAD_SERVER,
        [
            f"SRV053 the API cannot listen on 127.0.0.1:{port}: Address already in use. It was not started. "
            "Stop whoever uses the port, or choose another in PORT."
        ],
    )


async def test_credentials_that_are_wrong_keep_the_process_from_starting(
    environment: dict[str, str], database: str, redis_db: str
) -> None:
    # Given a database that is not there, and a password for a Redis that has none
    host = redis_db.removeprefix("redis://")
    for wrong, code in (
        ({"DATABASE_URL": database.replace("/test_", "/nowhere_")}, "SRV041"),
        ({"REDIS_URL": f"redis://:wrong@{host}"}, "SRV003"),
    ):
        status, told = await ended("orchestrator_api", **{**environment, **wrong})
        # Then the process says so in its last line, and exits
        assert (status, told.splitlines()[-1][:6]) == (Exit.BAD_SERVER, code)
        assert "Traceback" not in told


async def test_a_file_of_keys_that_cannot_be_used_keeps_the_process_from_starting(
    environment: dict[str, str], tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ann secret\n")
    status, told = await ended("orchestrator_api", **environment, POINTSMAN_API_KEYS_FILE=str(keys))
    assert (status, [line[:6] for line in told.splitlines()]) == (Exit.BAD_SETTINGS, ["CFG010"])
    assert "secret" not in told


async def test_the_process_answers_before_its_servers_are_there(environment: dict[str, str]) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    missing = {"DATABASE_URL": f"postgresql://u@{nobody}/x", "REDIS_URL": f"redis://{nobody}/0"}
    async with api(**{**environment, **missing}) as (process, client):
        assert (await client.get("/readyz")).status_code == 503
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == Exit.DRAINED


async def test_ten_megabytes_over_a_network_are_refused_and_the_connection_lives(environment: dict[str, str]) -> None:
    async with api(**environment) as (_, client):
        refused = await client.post(
            "/api/v1/runs", content=b'"' + b"x" * 10_000_000 + b'"', headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, refused.json()["code"]) == (413, "API005")
        assert (await client.get("/healthz")).status_code == 200
