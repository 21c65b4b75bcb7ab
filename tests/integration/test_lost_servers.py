"""Servers that are lost while everything runs, and processes whose servers are not as they should be at the start."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import control, definition, node
from tests.integration.load import all_complete, chain, is_under_way, paced_rounds, rounds, start_many
from tests.support.processes import ended
from tests.support.waiting import eventually


async def test_redis_killed_under_load_costs_no_run_and_doubles_nothing(caller: Caller) -> None:
    # Given a Redis that writes down what it says, and runs in the middle of their work
    system = caller.system
    system.redis.configure("appendfsync", "always")
    runs = await start_many(caller, rounds(40), 20)
    sleeping = await caller.start(definition(control("nap", "wait", wait=500), node("a", gives=1), "nap->a"))
    await eventually(lambda: system.metric("coordinator", "pointsman_batch_size_count") > 10)
    assert await is_under_way(caller, runs)
    # When it is killed
    await asyncio.to_thread(system.redis.kill)
    # Then a run is accepted all the same, and what the journal has can be read
    late = await caller.start(chain())
    assert (await caller.run(late))["status"] == "QUEUED"
    assert (await caller.run(runs[0]))["status"] == "RUNNING"
    assert (await caller.client.get("/readyz")).json()["reasons"]["redis"].startswith("SRV0")
    # And when it is back, every process goes on where it stood
    await asyncio.to_thread(system.redis.start)
    await all_complete(caller, runs, {"b": {"pass": 40}})
    assert await caller.completed(sleeping) == {"a": 1}
    assert await caller.completed(late) == {"e": "e"}
    assert all(system.is_alive(name) for name in ("coordinator", "supervisor", "api", "worker"))


async def test_postgres_killed_under_load_delays_the_record_and_loses_nothing(caller: Caller) -> None:
    # Given runs in the middle of their work
    system = caller.system
    runs = await start_many(caller, rounds(20), 20)
    assert await is_under_way(caller, runs)
    # When Postgres is killed
    await asyncio.to_thread(system.postgres.kill)
    # Then they run to their ends, and nothing of them leaves Redis

    async def all_ended() -> bool:
        return all([await caller.has_ended(run) for run in runs])

    await eventually(all_ended, timeout=20)
    # And callers are told that nothing can be accepted, started or commanded, and when to ask again
    for path, body in (("", {"definition": chain()}), (f"/{runs[0]}/pause", None), (f"/{runs[0]}/cancel", None)):
        refused = await caller.client.post(f"/api/v1/runs{path}", json=body)
        told = (refused.status_code, refused.json()["code"][:3], refused.headers["Retry-After"])
        assert told == (503, "SRV", "1")
    # And when it is back, all of it is written down
    await asyncio.to_thread(system.postgres.start)
    await all_complete(caller, runs, {"b": {"pass": 20}})
    assert all(system.is_alive(name) for name in ("coordinator", "supervisor", "api", "worker"))


async def test_postgres_restarted_again_and_again_amid_batches_neither_loses_nor_doubles_an_event(
    caller: Caller,
) -> None:
    # Given runs that keep the journal writing without a pause
    system = caller.system
    runs = await start_many(caller, paced_rounds(60, 150), 20)
    # When Postgres is killed and started again, three times, each after more was written
    for _ in range(3):
        written = system.metric("supervisor", "pointsman_journal_rows_total")
        await eventually(lambda before=written: system.metric("supervisor", "pointsman_journal_rows_total") > before)
        await asyncio.to_thread(system.postgres.kill)
        await asyncio.to_thread(system.postgres.start)
    # Then the journal of every run is whole, each event in it once, and no event was an alarm
    await all_complete(caller, runs, {"b": {"pass": 60}}, timeout=60)
    assert system.metric("supervisor", 'pointsman_journal_alarms_total{kind="other_content"}') == 0


async def test_signals_for_runs_that_ended_are_late_and_not_wrong_while_postgres_is_away(caller: Caller) -> None:
    # Given a run that ended and left Redis
    run_id = await caller.start(definition(node("a")))
    await caller.completed(run_id)
    await asyncio.to_thread(caller.system.postgres.kill)
    # When a signal for it comes, then it is put away, though nobody can be asked whether there was such a run
    await caller.push({"run_id": run_id, "job_id": f"{run_id}::a:1", "status": "completed"})
    await eventually(caller.is_idle, timeout=20)
    rejected = await caller.entries(lambda keys: keys.rejected)
    assert not [entry for _, entry in rejected if run_id in str(entry)]


@pytest.mark.parametrize(
    ("settings", "code", "told"),
    [
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, 3, "SRV001 Redis at 127.0.0.1:1 cannot be reached"),
        ({"REDIS_URL": "redis://:wrong@{server}"}, 3, "SRV003 "),
        ({"POINTSMAN_COORDINATOR_METRICS_PORT": "{taken}"}, 3, "SRV050 cannot listen on 127.0.0.1:"),
        ({"POINTSMAN_COORDINATOR_CLAIM_IDLE_MS": "1"}, 2, "CFG005 coordinator: POINTSMAN_COORDINATOR_CLAIM_IDLE_MS"),
        ({"POINTSMAN_COORDINATOR_BLOK_MS": "1"}, 2, "CFG002 coordinator: POINTSMAN_COORDINATOR_BLOK_MS is no setting"),
        ({"POINTSMAN_BLOB_URL": "nfs://x"}, 3, "SRV030 "),
    ],
)
async def test_a_coordinator_that_cannot_work_says_why_in_one_line(
    caller: Caller, settings: dict[str, str], code: int, told: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = caller.system.redis.url.rpartition("@")[2]
        words = {"server": server, "taken": str(holder.getsockname()[1])}
        given = {name: value.format(**words) for name, value in settings.items()}
        found, line = await ended("coordinator", **{**caller.system.servers, **given})
    assert (found, line[: len(told)], line.count("\n")) == (code, told, 1), line
    assert "wrong" not in line


async def test_a_redis_that_would_evict_runs_keeps_the_coordinator_from_starting(caller: Caller) -> None:
    # Given a server that may throw away keys when its memory is full
    redis = caller.system.redis
    redis.configure("maxmemory-policy", "allkeys-lru")
    redis.configure("maxmemory", "1gb")
    try:
        code, line = await ended("coordinator", **caller.system.servers)
    finally:
        redis.configure("maxmemory-policy", "noeviction")
        redis.configure("maxmemory", 0)
    assert (code, "noeviction" in line, line.count("\n")) == (3, True, 1)
