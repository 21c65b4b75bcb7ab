"""Servers that are there and take no more: what was accepted goes on, and what cannot be is told so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, control, definition, node
from tests.integration.load import all_complete, chain, is_under_way, rounds, start_many
from tests.support.waiting import eventually


@pytest.fixture
async def limited(caller: Caller) -> AsyncIterator[Caller]:
    """A caller of a system whose Redis gets its memory limited, and unlimited after the test."""
    yield caller
    caller.system.redis.configure("maxmemory", 0)


async def refusal(caller: Caller) -> tuple[int, str, str | None]:
    """How a start is answered."""
    answered = await caller.client.post("/api/v1/runs", json={"definition": chain()})
    return answered.status_code, answered.json().get("code", ""), answered.headers.get("Retry-After")


async def test_a_redis_that_is_nearly_full_takes_no_new_runs_and_ends_those_it_has(limited: Caller) -> None:
    # Given runs in the middle of their work, one of them with more tasks than go out at once
    wide = [by_hand(f"t{number}", "by_hand_full") for number in range(300)]
    fanned_out = await limited.start(definition(control("all", "parallel"), *wide, *(f"all->{n['id']}" for n in wide)))
    runs = await start_many(limited, rounds(30), 10)
    # When more than four fifths of the memory is in use
    limited.system.redis.limit_to(0.88)
    # Then no run is accepted, and the caller is told when to ask again
    assert await eventually(lambda: _is_refused(limited)) == (503, "SRV016", "1")
    # And those that run come to their ends
    await all_complete(limited, runs, {"b": {"pass": 30}})
    # And when there is room again, runs are accepted, and what was held back goes out
    limited.system.redis.configure("maxmemory", 0)
    await eventually(lambda: _accepts(limited))
    tasks = await limited.take("by_hand_full", 300)
    for task in tasks:
        await limited.complete(task, 1)
    assert len(await limited.completed(fanned_out, timeout=30)) == 300


async def test_a_redis_that_is_full_is_an_alarm_and_loses_nothing_it_was_given(limited: Caller) -> None:
    # Given runs in the middle of their work
    system = limited.system
    runs = await start_many(limited, rounds(30), 10)
    sleeping = await limited.start(definition(control("nap", "wait", wait=300), node("a", gives=1), "nap->a"))
    assert await is_under_way(limited, runs)
    # When the memory is full
    limited.system.redis.configure("maxmemory", 1)
    # Then the supervisor is not ready, for that reason, and counts it
    await eventually(lambda: system.metric("supervisor", "pointsman_memory_share") > 1)
    await eventually(lambda: not system.is_serving("supervisor"))
    assert '"redis_memory_full"' in system.said("supervisor")
    # And once there is memory again, every run comes to its end, with nothing done twice
    limited.system.redis.configure("maxmemory", 0)
    await all_complete(limited, runs, {"b": {"pass": 30}})
    assert await limited.completed(sleeping) == {"a": 1}
    await eventually(lambda: system.is_serving("supervisor"))


async def test_a_journal_that_cannot_write_holds_signals_back_before_memory_is_full(limited: Caller) -> None:
    # Given runs that never stand still, and a Postgres that is gone
    system = limited.system
    runs = await start_many(limited, rounds(4_000), 20)
    await asyncio.to_thread(system.postgres.kill)
    await eventually(lambda: _unwritten(limited, 1_500), timeout=30)
    # When what waits for the journal has nearly filled the memory
    limited.system.redis.limit_to(0.96)
    # Then the coordinator stops taking signals, and none of the events is gone
    await eventually(lambda: '"journal_behind_and_memory_full"' in system.said("coordinator"))
    before = await limited.length(lambda keys: keys.events)
    # And when Postgres is back, the journal catches up and all of it goes on, nothing lost and nothing doubled
    await asyncio.to_thread(system.postgres.start)
    limited.system.redis.configure("maxmemory", 0)
    assert before >= 1_500
    for run in runs:
        await limited.command(run, "cancel")
        assert (await limited.ended(run, timeout=30))["status"] == "CANCELLED"


async def _is_refused(caller: Caller) -> tuple[int, str, str | None] | None:
    found = await refusal(caller)
    return found if found[0] != 201 else None


async def _accepts(caller: Caller) -> bool:
    return (await refusal(caller))[0] == 201


async def _unwritten(caller: Caller, least: int) -> bool:
    return await caller.length(lambda keys: keys.events) >= least
