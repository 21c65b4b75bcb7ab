"""Processes that die, wherever they stand, and those that take over from them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from pointsman.base.crashpoints import CrashPoint
from pointsman.step import fold
from tests.integration.caller import Caller, assert_sound
from tests.integration.definitions import by_hand, control, definition, node
from tests.integration.load import all_complete, chain, everything, is_under_way, neighbours, rounds, start_many
from tests.support.waiting import eventually

# Workers ----------------------------------------------------------------------------------------------------------


async def test_what_a_killed_worker_held_is_done_by_another_and_counted_once(caller: Caller, tmp_path: Path) -> None:
    # Given a worker with three tasks in its hands
    names = ("a", "b", "c")
    held = (node(name, "hold", gate=str(tmp_path / "gate")) for name in names)
    run_id = await caller.start(definition(*held, node("join", "take"), *(f"{name}->join" for name in names)))
    await eventually(lambda: len(list(tmp_path.glob("held-*-1"))) == 3)
    # When it is killed, and another is there
    caller.system.kill("worker")
    caller.system.start("worker")
    # Then the other is handed all of it, once the lease of the dead one has ended
    await eventually(lambda: len(list(tmp_path.glob("held-*-2"))) == 3)
    (tmp_path / "gate").touch()
    assert await caller.completed(run_id) == {"join": {name: {"node": name, "attempt": 2} for name in names}}
    notes = [note.kind for change, _ in await caller.journal(run_id) for note in change.notes]
    assert notes == ["worker_lost"] * 3


async def test_a_worker_told_to_stop_hands_over_what_it_cannot_finish(caller: Caller, tmp_path: Path) -> None:
    # Given a worker with a task that takes longer than its grace period
    gate = tmp_path / "gate"
    run_id = await caller.start(definition(node("a", "hold", gate=str(gate))))
    await eventually((tmp_path / "held-a-1").exists)
    # When it is told to stop
    assert caller.system.stop("worker") == 0
    caller.system.start("worker")
    # Then another does it, without waiting for the lease to end by itself
    await eventually((tmp_path / "held-a-2").exists)
    gate.touch()
    assert await caller.completed(run_id) == {"a": {"node": "a", "attempt": 2}}


# Coordinators -----------------------------------------------------------------------------------------------------


@pytest.mark.on_both
@pytest.mark.parametrize(
    ("point", "is_written"), [("after_read", 0), ("before_apply", 0), ("after_apply_before_reply", 1)]
)
async def test_signals_in_the_hands_of_a_dying_coordinator_count_once(
    caller: Caller, point: CrashPoint, is_written: int
) -> None:
    # Given three runs of one partition, the results of whose first nodes wait for a coordinator
    system, task_type = caller.system, f"hand_{point}"
    two = definition(by_hand("a", task_type), by_hand("b", task_type), "a->b")
    runs = [await caller.start(two, run_id=name) for name in neighbours(caller, 3)]
    tasks = await caller.take(task_type, 3)
    system.kill("coordinator")
    for task in tasks:
        body = {"job_id": task["job_id"], "status": "completed", "result_data": task["run_id"]}
        await caller.redis.xadd(caller.keys_of(task["run_id"]).signals, {"signal": json.dumps(body)})
    # When the one that takes all of them dies
    system.start("coordinator", POINTSMAN_CRASH_AT=point)
    assert system.ended("coordinator") == -signal.SIGKILL
    # Then every run has moved on with its signal gone, or has not and the signal is there
    states = [await caller.snapshot(run) for run in runs]
    assert [state.head.seq for state in states if state] == [1 + is_written] * 3
    assert await caller.length(lambda keys: keys.signals) == 3 * (1 - is_written)
    assert [sorted(state.tokens) for state in states if state] == [[":b" if is_written else ":a"]] * 3
    # And the next coordinator takes over, without repeating anything
    system.start("coordinator")
    following = await caller.take(task_type, 3)
    assert sorted(task["payload"] for task in following) == sorted(runs)
    for task in following:
        await caller.complete(task, "end")
    await all_complete(caller, runs, {"b": "end"})
    for run in runs:
        assert [change.cause for change, _ in await caller.journal(run)] == ["start", "completed", "completed"]


@pytest.mark.on_both
async def test_two_coordinators_share_the_runs_and_double_nothing(caller: Caller) -> None:
    # Given two coordinators, and no supervisor: what ends stays in Redis
    system = caller.system
    system.start("coordinator2")
    await eventually(lambda: system.is_serving("coordinator2"))
    system.kill("supervisor")
    # When many runs go through them
    runs = await start_many(caller, everything(), 25)

    async def all_ended() -> bool:
        return all([await caller.has_ended(run) for run in runs])

    await eventually(all_ended, timeout=30)
    # Then both had their part
    applied = 'pointsman_signals_total{outcome="applied"}'
    assert system.metric("coordinator", applied) > 0
    assert system.metric("coordinator2", applied) > 0
    # And what each run has come to is what its events tell, once they are in Postgres
    finals = [await caller.snapshot(run) for run in runs]
    system.start("supervisor")
    await all_complete(caller, runs, {"end": {"pass": 3}})
    for run, final in zip(runs, finals, strict=True):
        events = await caller.journal(run)
        assert_sound(events)
        assert fold(events) == final


async def test_a_coordinator_that_dies_under_load_leaves_all_to_the_other(caller: Caller) -> None:
    # Given two coordinators at work, one of which will die at its tenth batch
    system = caller.system
    system.start("coordinator2", POINTSMAN_CRASH_AT="after_apply_before_reply:10")
    await eventually(lambda: system.is_serving("coordinator2"))
    runs = await start_many(caller, rounds(40), 20)
    # When it does, in the middle of it
    assert system.ended("coordinator2") == -signal.SIGKILL
    assert await is_under_way(caller, runs)
    # Then the other finishes every run
    await all_complete(caller, runs, {"b": {"pass": 40}})


async def test_a_coordinator_told_to_stop_leaves_nothing_half_done(caller: Caller) -> None:
    runs = await start_many(caller, chain(), 20)
    assert caller.system.stop("coordinator") == 0
    assert await caller.unacknowledged() == 0
    caller.system.start("coordinator")
    await all_complete(caller, runs, {"e": "e"})


# Supervisors ------------------------------------------------------------------------------------------------------


async def test_timers_and_journal_go_on_when_the_supervisor_is_killed_and_replaced(caller: Caller) -> None:
    # Given runs that need its clock and its journal at every step
    system = caller.system
    made_of = definition(
        node("a", "fail", until=3, retry={"max_attempts": 3, "backoff_ms": 50}),
        control("nap", "wait", wait=50),
        node("b", "take"),
        "a->nap->b",
    )
    before = system.metric("supervisor", "pointsman_timers_fired_total")
    runs = await start_many(caller, made_of, 10)
    await eventually(lambda: system.metric("supervisor", "pointsman_timers_fired_total") > before)
    # When it is killed and replaced
    system.kill("supervisor")
    system.start("supervisor")
    # Then each run sleeps and tries as often as it should, and no more
    await all_complete(caller, runs, {"b": {"attempt": 3}})
    for run in runs:
        causes = [change.cause for change, _ in await caller.journal(run)]
        assert causes == ["start", "failed", "timer", "failed", "timer", "completed", "timer", "completed"]
