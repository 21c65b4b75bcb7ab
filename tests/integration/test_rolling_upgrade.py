"""Processes of two releases side by side, and processes told to stop in the middle of everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from tests.integration.caller import Caller
from tests.integration.load import all_complete, chain, is_under_way, rounds, start_many
from tests.integration.system import System
from tests.support.waiting import eventually


@contextmanager
def of_an_older_release(system: System, lacks: str) -> Iterator[None]:
    """Have what is started meanwhile be of a release that does not know the newest `lacks`."""
    normal = system.modules
    system.modules = {  # type: ignore[misc]
        role: ("tests.integration.older", normal[role][0], lacks) for role in ("coordinator", "supervisor")
    }
    try:
        yield
    finally:
        system.modules = normal  # type: ignore[misc]


@pytest.mark.parametrize("lacks", ["plan", "protocol"])
async def test_runs_of_a_newer_release_are_left_to_the_coordinator_that_knows_them(caller: Caller, lacks: str) -> None:
    # Given a coordinator of this release and one of an earlier one, on the same stream
    system = caller.system
    rejected = await caller.length(lambda keys: keys.rejected)
    with of_an_older_release(system, lacks):
        system.start("coordinator2")
    await eventually(lambda: system.is_serving("coordinator2"))
    # When runs go on that the earlier one does not understand
    runs = await start_many(caller, rounds(5), 20)
    # Then all come to their ends, nothing was set aside, and the earlier one has passed on what it was given;
    # of several partitions it is given none
    await all_complete(caller, runs, {"b": {"pass": 5}}, timeout=60)
    assert await caller.length(lambda keys: keys.rejected) == rejected
    assert (system.metric("coordinator2", "pointsman_left_to_newer_total") > 0) == (system.redis.partitions == 1)
    assert system.metric("coordinator2", 'pointsman_signals_total{outcome="applied"}') == 0


async def test_what_only_an_older_coordinator_is_there_for_waits_for_a_newer_one(caller: Caller) -> None:
    # Given a coordinator of an earlier release, and no other
    system = caller.system
    system.kill("coordinator")
    with of_an_older_release(system, "protocol"):
        system.start("coordinator2")
    run = await caller.start(chain())
    await eventually(lambda: system.metric("coordinator2", "pointsman_left_to_newer_total") > 1)
    # When one of this release is started
    before = await caller.snapshot(run)
    assert before is not None
    assert before.head.seq == 1
    system.start("coordinator")
    # Then the run comes to its end
    assert await caller.completed(run) == {"e": "e"}


async def test_events_of_a_newer_release_are_left_to_the_supervisor_that_knows_them(caller: Caller) -> None:
    # Given a supervisor of an earlier release that has the lease of the journal
    system = caller.system
    system.kill("supervisor")
    with of_an_older_release(system, "protocol"):
        system.start("supervisor2")
    # When runs end
    runs = await start_many(caller, chain(), 3)
    await eventually(lambda: '"journal_left_to_newer"' in system.said("supervisor2"))
    # Then it writes nothing that it would misread
    assert [await caller.journal(run) for run in runs] == [[], [], []]
    # And one of this release, beside it, takes over and writes all of it
    system.start("supervisor")
    await all_complete(caller, runs, {"e": "e"})


@pytest.mark.parametrize("role", ["coordinator", "supervisor", "worker"])
async def test_a_process_told_to_stop_under_load_finishes_in_time_and_doubles_nothing(
    caller: Caller, role: str
) -> None:
    # Given runs in the middle of their work
    runs = await start_many(caller, rounds(30), 15)
    assert await is_under_way(caller, runs)
    # When a process is told to stop, then it ends of itself within its grace period
    assert caller.system.stop(role) == 0
    assert await is_under_way(caller, runs)
    # And its successor sees every run to its end, each result taken once
    caller.system.start(role)
    await all_complete(caller, runs, {"b": {"pass": 30}})


async def test_an_api_told_to_stop_under_load_answers_what_it_has_begun(caller: Caller) -> None:
    # Given many clients that start runs, each until it cannot
    system = caller.system
    accepted: list[str] = []

    async def keep_starting() -> None:
        while True:
            run_id = f"run_{uuid4().hex[:12]}"
            try:
                answered = await caller.client.post("/api/v1/runs", json={"definition": chain(), "run_id": run_id})
            except httpx.TransportError:
                return
            assert answered.status_code in (201, 503), answered.text
            if answered.status_code == 201:
                accepted.append(run_id)

    clients = [asyncio.create_task(keep_starting()) for _ in range(8)]
    await eventually(lambda: len(accepted) > 20)
    # When it is told to stop, then it ends of itself
    assert await asyncio.to_thread(system.stop, "api") == 0
    await asyncio.gather(*clients)
    # And every run that it has accepted comes to its end, once
    system.start("api")
    await eventually(lambda: _is_up(caller))
    await all_complete(caller, accepted, {"e": "e"}, timeout=60)


async def _is_up(caller: Caller) -> bool:
    return (await caller.client.get("/readyz")).status_code == 200
