"""Pause: results are taken, nothing new goes out, clocks stand (SEMANTICS §7)."""

from __future__ import annotations

from pointsman.base.ids import Millis
from pointsman.plan import Guards, Retry
from pointsman.protocol.state import Timer
from tests.support.driven import START, Run, token
from tests.support.plans import control, edge, plan, task


def test_a_paused_run_takes_results_and_holds_what_follows() -> None:
    # Given a paused run with a task out
    run = Run(plan(task("a"), task("b"), task("c"), "a->b", edge("a->c", "output")))
    run.pause()
    assert (run.status, run.open) == ("PAUSED", {"a": "dispatched"})
    # When the task ends
    change = run.complete("a", True)
    # Then its conditions are decided, and what follows is held
    assert change.dispatches == ()
    assert (run.open, run.ended) == ({"c": "held"}, {"a": "completed", "b": "skipped"})


def test_timers_keep_the_time_they_have_left() -> None:
    # Given a task with a limit, of which a part has passed
    run = Run(plan(task("a", timeout_ms=100), guards=Guards(max_duration_ms=1_000)))
    run.now += 30
    # When the run is paused
    run.pause()
    # Then no clock of it runs, and each timer knows what remains
    assert run.clock == {}
    assert run.snapshot.tokens[token("a")].timers == {"timeout::a": Timer(2, Millis(START + 100), 70)}
    assert run.snapshot.head.timer == Timer(2, Millis(START + 1_000), 970)


def test_a_timer_that_fires_across_a_pause_changes_nothing() -> None:
    # Given a timer that has come due, and a pause that is applied before its signal
    run = Run(plan(task("a", timeout_ms=100)))
    armed = run.clock["timeout::a"]
    run.now += 100
    run.pause()
    # When the signal comes
    change = run.timer("timeout::a", armed.generation)
    # Then it is outdated, and what remains is nothing, so that it fires again on resume
    assert (change.reason, run.open) == ("timer_outdated", {"a": "dispatched"})
    run.resume()
    assert run.clock["timeout::a"].due == run.now


def test_what_fails_while_paused_backs_off_without_a_running_clock() -> None:
    # Given a paused run
    run = Run(plan(task("a", retry=Retry(2, 100))))
    run.pause()
    # When a task fails
    run.fail("a")
    # Then its backoff has not begun
    assert (run.open, run.clock) == ({"a": "backing_off"}, {})
    run.now += 999
    run.resume()
    assert run.clock["retry::a"].due == run.now + 100


def test_what_a_dead_worker_held_is_held_until_resume() -> None:
    # Given a paused run with a task out
    run = Run(plan(task("a")))
    run.pause()
    # When its worker dies
    change = run.lose("a")
    # Then the entry is withdrawn and nothing new goes out
    assert (run.open, change.dispatches, change.withdrawn) == ({"a": "held"}, (), {":a": "function"})
    run.resume()
    assert run.task("a").attempt == 2


def test_a_wait_that_begins_while_paused_has_all_its_time_left() -> None:
    # Given a paused run that gets to a wait
    run = Run(plan(task("a"), control("wait", "w", wait=50), "a->w"))
    run.pause()
    run.complete("a")
    assert (run.open, run.clock) == ({"w": "sleeping"}, {})
    # When it is resumed later
    run.now += 999
    run.resume()
    # Then the wait begins
    assert run.clock["wait::w"].due == run.now + 50


def test_a_run_whose_last_task_ends_while_paused_is_done() -> None:
    # Given a paused run that waits for nothing else
    run = Run(plan(task("a")))
    run.pause()
    # When its last result comes
    run.complete("a", 1)
    # Then there is nothing to resume
    assert (run.status, run.output) == ("COMPLETED", {"a": 1})


def test_a_second_pause_changes_nothing() -> None:
    # Given a paused run
    run = Run(plan(task("a")))
    run.pause()
    # When it is paused again
    assert run.pause().reason == "already_paused"
