"""Redis is lost under load, whole or in part: open runs come back from the journal, and nothing done is done again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pointsman.base.ids import RunId, partition_of
from pointsman.protocol.signal import Completed
from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, control, definition, node
from tests.integration.load import all_complete, everything, is_under_way, rounds, start_many
from tests.support.waiting import eventually


async def openings(caller: Caller) -> list[dict[str, Any]]:
    """Each time that Redis was opened, the newest last."""
    rows = await (await caller.postgres()).fetch("SELECT * FROM openings WHERE opened_at IS NOT NULL ORDER BY epoch")
    return [dict(row) for row in rows]


async def nothing_was_done_again(caller: Caller, runs: list[str]) -> None:
    """No task was handed out whose result the journal had."""
    for run in runs:
        done: set[str] = set()
        for change, _ in await caller.journal(run):
            again = [token for token, state in change.opened.items() if state.type and token in done]
            assert again == [], f"{run}: {again} went out again"
            if isinstance(change.signal, Completed):
                done.add(str(change.signal.token))


async def flushed(caller: Caller) -> None:
    """FLUSHALL, as an operator types it in the wrong window."""
    caller.system.redis.flush()


async def wiped(caller: Caller) -> None:
    """The server dies and its volume is gone."""
    redis = caller.system.redis
    await asyncio.to_thread(redis.kill)
    redis.wipe()
    await asyncio.to_thread(redis.start)


@pytest.mark.on_both
@pytest.mark.parametrize("lose", [flushed, wiped])
async def test_a_redis_that_lost_everything_costs_no_run_and_no_result(
    caller: Caller, lose: Callable[[Caller], Awaitable[None]]
) -> None:
    # Given runs of all kinds: paused, asleep, edited, one whose task somebody holds, and busy ones
    broad = await start_many(caller, everything(), 5)
    asleep = await caller.start(definition(control("nap", "wait", wait=1_500), node("a", gives=1), "nap->a"))
    own, other = (f"{name}_{uuid4().hex[:8]}" for name in ("own", "other"))
    paused = await caller.start(definition(by_hand("a", other), node("b", gives=4), "a->b"))
    (kept,) = await caller.take(other)
    held = await caller.start(definition(by_hand("a", own), node("b", gives=2), "a->b"))
    (task,) = await caller.take(own)
    await caller.command(paused, "pause")
    await caller.patch(
        held,
        {"op": "add", "path": "/nodes/-", "value": node("more", gives=3)},
        {"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "more"}},
    )
    before = len(await openings(caller))
    busy = await start_many(caller, rounds(30), 15)
    assert await is_under_way(caller, busy)
    # When Redis loses all it has
    await lose(caller)
    # Then each partition is recovered once
    opened = await eventually(lambda: newer_than(caller, before))
    assert [(each["reason"], each["failed"]) for each in opened] == [("state_lost", 0)] * len(caller.partitions)
    # And what was answered before holds: the pause, and the edit
    assert (await caller.run(paused))["status"] == "PAUSED"
    await caller.command(paused, "resume")
    # And the task that was out is out once more, and the result of whoever had it before counts
    assert (await caller.take(own))[0]["attempt"] == 2
    await caller.complete(task, 1)
    assert await caller.completed(held) == {"more": 3}
    await caller.complete(kept, 1)
    assert await caller.completed(paused) == {"b": 4}
    await all_complete(caller, busy, {"b": {"pass": 30}})
    for run in (*broad, asleep):
        assert (await caller.ended(run))["status"] == "COMPLETED"
    await nothing_was_done_again(caller, [*busy, *broad, asleep, paused, held])


async def newer_than(caller: Caller, count: int) -> list[dict[str, Any]] | None:
    """The openings after the first so many, once there is one of each partition."""
    found = (await openings(caller))[count:]
    return found if len(found) >= len(caller.partitions) else None


def total(opened: list[dict[str, Any]], *names: str) -> tuple[int, ...]:
    """What some openings tell of themselves, taken together."""
    return tuple(sum(each[name] for each in opened) for name in names)


async def test_an_older_file_gives_way_to_what_the_journal_has(caller: Caller, tmp_path: Path) -> None:
    # Given a copy of what Redis has written down at some time, a run that has ended since, and others that went on
    system = caller.system
    system.redis.configure("appendfsync", "always")
    own = f"own_{uuid4().hex[:8]}"
    ends = await caller.start(definition(by_hand("a", own)))
    goes_on = await caller.start(definition(by_hand("a", own), by_hand("b", own), "a->b"))
    stays = await caller.start(definition(by_hand("a", own)))
    tasks = {task["run_id"]: task for task in await caller.take(own, 3)}
    await eventually(lambda: caller.is_journalled(goes_on, 1))
    older = {file: tmp_path / f"{number}.aof" for number, file in enumerate(system.redis.files)}
    for file, copy in older.items():
        shutil.copy(file, copy)
    await caller.complete(tasks[ends], 1)
    await caller.completed(ends)
    await caller.complete(tasks[goes_on], 1)
    await eventually(lambda: caller.is_journalled(goes_on, 2))
    before = len(await openings(caller))
    # When Redis is started on what it had then
    await asyncio.to_thread(system.redis.kill)
    for file, copy in older.items():
        shutil.copy(copy, file)
    await asyncio.to_thread(system.redis.start)
    # Then the run that ended is dropped, the one that went on stands where it stood, and the third was not touched
    opened = await eventually(lambda: newer_than(caller, before))
    assert total(opened, "restored", "dropped", "failed") == (1, 1, 0)
    assert await caller.keys(ends) == []
    assert {name: found["status"] for name, found in (await caller.run(goes_on))["nodes"].items()} == {
        "a": "completed",
        "b": "dispatched",
    }
    (again,) = await caller.take(own)
    assert (again["run_id"], again["node_id"], again["attempt"]) == (goes_on, "b", 2)
    await caller.complete(again, 2)
    await caller.complete(tasks[stays], 3)
    assert [await caller.completed(run) for run in (goes_on, stays)] == [{"b": 2}, {"a": 3}]
    await nothing_was_done_again(caller, [ends, goes_on, stays])


@pytest.mark.parametrize("bytes_lost", [300, 30_000])
async def test_what_the_file_lacks_at_its_end_costs_a_repeated_attempt_at_most(caller: Caller, bytes_lost: int) -> None:
    # Given runs at work
    system = caller.system
    runs = await start_many(caller, rounds(25), 15)
    assert await is_under_way(caller, runs)
    # When the machine goes down before Redis' last writes are on its disk
    await asyncio.to_thread(system.redis.kill)
    for path in system.redis.files:
        with path.open("r+b") as file:
            file.truncate(max(0, path.stat().st_size - bytes_lost))
    await asyncio.to_thread(system.redis.start)
    # Then every run ends as it would have
    await all_complete(caller, runs, {"b": {"pass": 25}})
    await nothing_was_done_again(caller, runs)


async def test_a_supervisor_that_dies_in_the_middle_leaves_the_rest_to_the_next(caller: Caller) -> None:
    # Given runs at work, and a supervisor that will die before it opens the fence
    system = caller.system
    runs = await start_many(caller, rounds(20), 15)
    assert await is_under_way(caller, runs)
    system.kill("supervisor")
    system.redis.flush()
    system.start("supervisor", POINTSMAN_CRASH_AT="between_restore_and_open")
    assert system.ended("supervisor") == -9
    # When everybody else goes on, then nothing passes, and starts and commands are told to wait
    refused = [
        await caller.client.get("/readyz"),
        await caller.client.post("/api/v1/runs", json={"definition": rounds(1)}),
        await caller.client.post(f"/api/v1/runs/{runs[0]}/pause"),
    ]
    assert [answered.status_code for answered in refused] == [503, 503, 503]
    assert "recovering" in refused[0].json()["reasons"]["redis"]
    assert [answered.headers["Retry-After"] for answered in refused[1:]] == ["1", "1"]
    assert refused[1].json()["code"] == "SRV061"
    assert refused[2].json()["code"] in ("SRV061", "RUN006"), "it waits for Redis, or for the run's return to it"
    # And the next supervisor finds what was restored, and opens it
    before = len(await openings(caller))
    system.start("supervisor")
    opened = await eventually(lambda: newer_than(caller, before))
    assert {each["reason"] for each in opened} == {"state_lost"}
    # The one who died had restored one partition, at least.
    restored, failed = total(opened, "restored", "failed")
    assert (restored <= len(runs) - len(runs) // len(caller.partitions), failed) == (True, 0)
    await all_complete(caller, runs, {"b": {"pass": 20}})
    await nothing_was_done_again(caller, runs)


async def test_a_start_that_meets_the_closed_fence_first_is_accepted_and_runs_once_it_is_open(caller: Caller) -> None:
    # Given an API that does not know yet that Redis has lost everything, and nobody who would recover it
    system = caller.system
    await eventually(lambda: caller.client.get("/readyz"))
    system.kill("supervisor")
    await caller.redis.flushall()
    # When runs are started, one after the other, in one partition
    told = [
        await caller.client.post("/api/v1/runs", json={"definition": rounds(2), "run_id": name})
        for name in _of_one_partition(2, len(caller.partitions))
    ]
    # Then the first is accepted, which means that it is in Postgres, and by the second the API knows better
    assert [answered.status_code for answered in told] == [201, 503]
    first = told[0].json()
    assert (first["status"], told[1].json()["code"]) == ("QUEUED", "SRV061")
    # And it runs as soon as Redis is recovered
    system.start("supervisor")
    assert await caller.completed(first["run_id"]) == {"b": {"pass": 2}}


def _of_one_partition(runs: int, partitions: int) -> list[str]:
    """New ids of runs that live in the same one."""
    names = (RunId(f"run_{uuid4().hex}") for _ in count())
    return list(islice((name for name in names if partition_of(name, partitions) == 0), runs))


async def test_a_command_that_redis_lost_before_the_journal_had_it_is_not_answered_as_done(caller: Caller) -> None:
    # Given a pause that Redis has taken, and nobody writes down
    system = caller.system
    own = f"own_{uuid4().hex[:8]}"
    run = await caller.start(definition(by_hand("a", own)))
    (task,) = await caller.take(own)
    await eventually(lambda: caller.is_journalled(run, 1))
    system.kill("supervisor")
    key = {"Idempotency-Key": own}
    asked = asyncio.ensure_future(caller.client.post(f"/api/v1/runs/{run}/pause", headers=key))
    await eventually(lambda: is_paused(caller, run))
    # When Redis loses it, and the run's next event has its number
    await caller.redis.flushall()
    system.start("supervisor")
    answered = await asked
    # Then who asked is told so, and may ask again under the same key
    assert (answered.status_code, answered.json()["code"]) == (503, "SRV061")
    assert "lost that before the journal had it" in answered.json()["detail"]
    again = await eventually(lambda: paused_again(caller, run, key))
    assert (again["seq"], again["changed"]) == (3, True)
    await caller.command(run, "resume")
    await caller.complete(task, 1)
    assert await caller.completed(run) == {"a": 1}


async def is_paused(caller: Caller, run: str) -> bool:
    """Whether Redis has a run as paused."""
    found = await caller.snapshot(run)
    return found is not None and found.head.status == "PAUSED"


async def paused_again(caller: Caller, run: str, key: dict[str, str]) -> dict[str, Any] | None:
    """What the same pause is answered once it is taken."""
    answered = await caller.client.post(f"/api/v1/runs/{run}/pause", headers=key)
    return answered.json() if answered.status_code == 200 else None
