"""The stuck detector: which runs nothing will move, and that it finds them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import pytest
import structlog

from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.redis.pulses import RedisPulses
from pointsman.adapters.redis.rejected_source import PushedSignals
from pointsman.base.ids import Millis, RunId, TimerId, TokenId
from pointsman.protocol.signal import Pause, TaskLost, decode_signal
from pointsman.protocol.state import OpenToken, Timer, TokenState
from pointsman.settings import Settings
from pointsman.step.stuck import why_stuck
from supervisor.stuck import LOOKS, Stuck
from tests.supervisor.depot import Depot
from tests.support.driven import token
from tests.support.waiting import eventually

SINCE = Millis(1_000)


def tokens(**states: OpenToken) -> Mapping[TokenId, OpenToken]:
    return {TokenId(f":{name}"): state for name, state in states.items()}


def open_token(state: TokenState, due: int | None = None) -> OpenToken:
    timers = {} if due is None else {TimerId("t"): Timer(1, Millis(due))}
    return OpenToken(state, timers=timers)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "Redis does not hold it"),
        (tokens(), "no token is open"),
        (tokens(a=open_token("queued")), "nothing will move its tokens: :a is queued"),
        (
            tokens(b=open_token("held"), a=open_token("queued")),
            "nothing will move its tokens: :a is queued, :b is held",
        ),
        (tokens(a=open_token("backing_off", SINCE - 1)), "nothing will move its tokens: :a is backing_off"),
        (tokens(a=open_token("sleeping", SINCE + 1)), ""),
        (tokens(a=open_token("backing_off", SINCE + 1)), ""),
        (tokens(a=open_token("dispatched")), ""),
        (tokens(a=open_token("parked")), ""),
        (tokens(a=open_token("held"), b=open_token("dispatched")), ""),
    ],
)
def test_a_run_is_stuck_if_nothing_will_ever_move_it(found: Mapping[TokenId, OpenToken] | None, reason: str) -> None:
    assert why_stuck(found, SINCE) == reason


def test_of_very_many_tokens_some_are_named() -> None:
    many = {TokenId(f":{number}"): open_token("queued") for number in range(9)}
    assert re.search(r":4 is queued and 4 more\Z", why_stuck(many, SINCE))


def test_a_run_that_nothing_moves_is_found_within_ten_seconds() -> None:
    # Given how long it may be still before it is looked at, and how often it must be found so
    still_ms = Settings().supervisor.stuck_after_ms
    assert still_ms + LOOKS * still_ms / LOOKS < 10_000


def detector(depot: Depot, drain: asyncio.Event | None = None, after_ms: int = 0) -> Stuck:
    """The detector of one supervisor."""
    return Stuck(
        RedisPulses(depot.partition),
        depot.index,
        StuckRuns(depot.pool),
        PushedSignals(depot.partition.connection),
        depot.store.now,
        drain or asyncio.Event(),
        depot.metrics,
        stuck_after_ms=after_ms,
    )


async def lose(depot: Depot, run: RunId) -> None:
    """Somebody deletes a run's keys."""
    await depot.partition.connection.ask("DEL", *await depot.keys(run))


async def test_a_run_that_redis_lost_is_marked_and_said_once(depot: Depot) -> None:
    # Given three runs with a journal: one whose keys are gone from Redis, one that waits for a worker, one paused
    lost, waiting, paused = [await depot.start(name) for name in ("lost", "waiting", "paused")]
    await depot.executor.command(Pause(paused))
    async with depot.journalling():
        await eventually(lambda: depot.is_written(paused, 2))
    await lose(depot, lost)
    # When it is looked for runs that are stuck
    stuck, marks = detector(depot), StuckRuns(depot.pool)
    with structlog.testing.capture_logs() as logs:
        await stuck.look()
        # Then one look proves nothing: it may be on its way
        assert await marks.page() == []
        await eventually(lambda: found(stuck, depot))
        await stuck.look()
    # And then the one is told, once, with the reason
    assert [(line["event"], line["run_id"], line["reason"]) for line in logs] == [
        ("run_stuck", lost, "Redis does not hold it")
    ]
    assert depot.metrics.stuck_runs._value.get() == 1
    assert [row.run_id for row in await marks.page(workflow="test")] == [lost]
    assert await marks.reasons([lost, waiting, paused]) == {lost: "Redis does not hold it"}


async def test_a_run_that_moves_again_is_marked_no_more(depot: Depot) -> None:
    # Given a run that was found stuck
    run = await depot.start()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 1))
    dump = [await depot.partition.connection.ask("DUMP", key) for key in await depot.keys(run)]
    names = await depot.keys(run)
    await lose(depot, run)
    stuck = detector(depot)
    await eventually(lambda: found(stuck, depot))
    # When it is there again
    for name, content in zip(names, dump, strict=True):
        await depot.partition.connection.ask("RESTORE", name, 0, content)
    await stuck.look()
    # Then it is stuck no more
    assert await StuckRuns(depot.pool).reasons([run]) == {}
    assert depot.metrics.stuck_runs._value.get() == 0


async def test_a_run_for_which_a_signal_waits_is_not_stuck_unless_that_waits_for_very_long(depot: Depot) -> None:
    # Given two runs without keys, and a signal for one of them that has just come
    run, other = [await depot.start(name) for name in ("run_1", "run_2")]
    async with depot.journalling():
        await eventually(lambda: depot.is_written(other, 1))
    await lose(depot, run)
    await lose(depot, other)
    ask, marks = depot.partition.connection.ask, StuckRuns(depot.pool)
    signal = b'{"run_id": "run_1", "status": "continue"}'
    entry = await ask("XADD", "wf.signals", "*", "signal", signal)
    # When it is looked for runs that are stuck, then it is not among them
    stuck = detector(depot)
    await eventually(lambda: found(stuck, depot))
    assert await marks.reasons([run, other]) == {other: "Redis does not hold it"}
    # And where that signal came long ago, it is
    await ask("XDEL", "wf.signals", entry)
    await ask("XADD", "wf.old", "1-1", "signal", signal)
    await ask("DEL", "wf.signals")
    await ask("RENAME", "wf.old", "wf.signals")
    await stuck.look()
    await stuck.look()
    assert (await marks.reasons([run]))[run] == "signals for it wait, and no coordinator acts upon them"


async def test_nothing_is_said_while_very_many_signals_wait(depot: Depot) -> None:
    run = await depot.start()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 1))
    await lose(depot, run)
    commands = [("XADD", "wf.signals", "*", "signal", "{}")] * 1_000
    await depot.partition.connection.ask_all(commands)
    stuck = detector(depot)
    await stuck.look()
    await stuck.look()
    assert depot.metrics.stuck_runs._value.get() == 0


async def test_a_task_that_is_gone_from_its_stream_is_reported_to_its_run(depot: Depot) -> None:
    # Given two runs, the task of one of which somebody deleted
    run, _ = await depot.start("run_1"), await depot.start("run_2")
    async with depot.journalling():
        await eventually(lambda: depot.is_written(RunId("run_2"), 1))
    ask = depot.partition.connection.ask
    record = await ask("HGET", f"tokens:{run}", ":a")
    assert await ask("XDEL", "wf.tasks.function", record.split(b" ")[0]) == 1
    # When it is looked for runs that are stuck
    stuck = detector(depot)
    await eventually(lambda: reported(stuck, depot))
    # Then the run is told
    signals = {decode_signal(body) for body in await ask("LRANGE", "completion_signals", 0, -1)}
    assert signals == {TaskLost(run, token("a"), 1)}
    # And hands it out again, once, as another attempt
    for signal in [*signals, *signals]:
        await depot.take(signal)
    assert await ask("XLEN", "wf.tasks.function") == 2
    assert (await depot.store.load([run]))[run].tokens[token("a")].attempt == 2


async def reported(stuck: Stuck, depot: Depot) -> bool:
    await stuck.look()
    return bool(await depot.partition.connection.ask("LLEN", "completion_signals"))


async def found(stuck: Stuck, depot: Depot) -> bool:
    await stuck.look()
    return bool(depot.metrics.stuck_runs._value.get())


async def test_a_run_that_ended_in_good_order_is_not_stuck(depot: Depot) -> None:
    run = await depot.run_through()
    async with depot.journalling():
        await eventually(lambda: depot.is_written(run, 4))
    stuck = detector(depot)
    await stuck.look()
    await stuck.look()
    assert depot.metrics.stuck_runs._value.get() == 0
