"""More runs than can be worked on: they wait where it costs little, in turn, and what has begun goes on."""

from __future__ import annotations

import asyncio

from tests.integration.caller import Caller
from tests.integration.load import all_complete, chain, rounds, start_many
from tests.support.waiting import eventually

ROOM = 20
"""Tasks that may wait for a worker before runs do."""


async def test_runs_beyond_what_can_be_worked_on_wait_in_postgres_and_none_is_dropped(caller: Caller) -> None:
    # Given a system that lets few tasks wait, with a run under way and a worker that then stands still
    system = caller.system
    for role in ("supervisor", "api"):
        system.kill(role)
        system.start(role, POINTSMAN_MAX_UNREAD_TASKS=str(ROOM))
    await eventually(lambda: _is_up(caller))
    (early,) = await start_many(caller, rounds(10), 1)
    system.kill("worker")
    # When many more runs are sent than there is room for
    runs = [run for _ in range(4) for run in await start_many(caller, chain(), 25)]
    # Then some have begun, the others wait, and Redis holds no more of them than that
    await eventually(lambda: _has_begun(caller, least=ROOM // 2))
    assert await caller.length(lambda keys: keys.tasks("function")) <= 2 * ROOM
    waiting = (await caller.client.get("/api/v1/runs", params={"status": "QUEUED", "limit": 200})).json()["runs"]
    assert len(waiting) >= len(runs) - 2 * ROOM
    # And when somebody works again, the one that had begun does not wait for them all
    system.start("worker")
    assert await caller.completed(early) == {"b": {"pass": 10}}
    assert any([(await caller.run(run))["status"] == "QUEUED" for run in reversed(runs)])
    # And each of them comes to its end, once
    await all_complete(caller, runs, {"e": "e"}, timeout=60)


async def test_many_clients_at_once_are_served_or_told_to_come_again_and_never_dropped(caller: Caller) -> None:
    # Given an API that serves few requests at the same time
    system = caller.system
    system.kill("api")
    system.start("api", POINTSMAN_API_MAX_REQUESTS="8")
    await eventually(lambda: _is_up(caller))
    # When many clients start runs at the same instant
    requests = [caller.client.post("/api/v1/runs", json={"definition": chain()}) for _ in range(60)]
    answers = await asyncio.gather(*requests)
    # Then each is told either way, those that were turned away when to come again
    assert {answered.status_code for answered in answers} == {201, 429}
    assert {answered.headers.get("Retry-After") for answered in answers if answered.status_code == 429} == {"1"}
    # And what was accepted runs to its end
    accepted = [answered.json()["run_id"] for answered in answers if answered.status_code == 201]
    await all_complete(caller, accepted, {"e": "e"})


async def _has_begun(caller: Caller, least: int) -> bool:
    return await caller.length(lambda keys: keys.tasks("function")) >= least


async def _is_up(caller: Caller) -> bool:
    return (await caller.client.get("/readyz")).status_code == 200
