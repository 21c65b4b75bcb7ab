from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from pointsman.base.ids import Digest, Millis, RunId, TimerId, TokenId
from pointsman.protocol.signal import Pause
from pointsman.protocol.state import OpenToken, RunHead, Snapshot, Timer, TokenState
from supervisor.stuck import Stuck, why_stuck
from tests.supervisor.depot import Depot
from tests.support.waiting import eventually

SINCE = Millis(1_000)
JOURNALLED = 5


def run_of(status: Any = "RUNNING", seq: int = JOURNALLED, **tokens: OpenToken) -> Snapshot:
    head = RunHead(RunId("run_1"), "w", Digest("p"), Digest("d"), "cel-cpp", Millis(0), status=status, seq=seq)
    return Snapshot(head, {TokenId(f":{name}"): token for name, token in tokens.items()})


def open_token(state: TokenState, due: int | None = None) -> OpenToken:
    timers = {} if due is None else {TimerId("t"): Timer(1, Millis(due))}
    return OpenToken(state, timers=timers)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (None, "Redis does not hold it"),
        (run_of(), "no token is open"),
        (run_of(a=open_token("queued")), "nothing will move its tokens: :a is queued"),
        (
            run_of(b=open_token("held"), a=open_token("queued")),
            "nothing will move its tokens: :a is queued, :b is held",
        ),
        (run_of(a=open_token("backing_off", SINCE - 1)), "nothing will move its tokens: :a is backing_off"),
        (run_of(a=open_token("sleeping", SINCE + 1)), ""),
        (run_of(a=open_token("backing_off", SINCE + 1)), ""),
        (run_of(a=open_token("dispatched")), ""),
        (run_of(a=open_token("parked")), ""),
        (run_of(a=open_token("held"), b=open_token("dispatched")), ""),
        (run_of("PAUSED", a=open_token("held")), ""),
        (run_of("COMPLETED", JOURNALLED + 1), ""),
        (run_of(seq=JOURNALLED + 1), ""),
    ],
)
def test_a_run_is_stuck_if_nothing_will_ever_move_it(run: Snapshot | None, reason: str) -> None:
    assert why_stuck(run, JOURNALLED, SINCE) == reason


async def test_a_run_that_redis_lost_is_found_and_said_once(depot: Depot) -> None:
    # Given three runs with a journal: one whose keys are gone from Redis, one that waits for a worker, one paused
    lost, _, paused = [await depot.start(name) for name in ("lost", "waiting", "paused")]
    await depot.executor.command(Pause(paused))
    async with depot.journalling():
        await eventually(lambda: depot.is_written(paused, 2))
    await depot.partition.connection.ask("DEL", *(f"{part}:{lost}" for part in ("run", "counter", "tokens", "history")))
    # When it is looked for runs that are stuck, twice
    stuck = Stuck(depot.store, depot.index, asyncio.Event(), depot.metrics, stuck_after_ms=0)
    with structlog.testing.capture_logs() as logs:
        await eventually(lambda: found(stuck, depot))
        await stuck.look()
    # Then the one is told, once, with the reason
    assert [(line["event"], line["run_id"], line["reason"]) for line in logs] == [
        ("run_stuck", lost, "Redis does not hold it")
    ]
    assert depot.metrics.stuck_runs._value.get() == 1


async def found(stuck: Stuck, depot: Depot) -> bool:
    await stuck.look()
    return bool(depot.metrics.stuck_runs._value.get())


async def test_a_run_that_ended_in_good_order_is_not_stuck(depot: Depot) -> None:
    run = await depot.run_through()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 4))
    stuck = Stuck(depot.store, depot.index, asyncio.Event(), depot.metrics, stuck_after_ms=0)
    await stuck.look()
    assert depot.metrics.stuck_runs._value.get() == 0
