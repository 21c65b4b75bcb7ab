"""What follows in one transition, and its limits: SEMANTICS §4."""

from __future__ import annotations

from pointsman.plan import Guards
from tests.support.driven import Run
from tests.support.plans import control, looping, plan, task


def test_one_transition_emits_at_most_256_tokens_and_the_rest_follow() -> None:
    # Given a fan-out of 600
    names = [f"t{number}" for number in range(600)]
    run = Run(plan(task("a"), *map(task, names), *[f"a->{name}" for name in names]))
    # When it begins, and the run's reminders to itself are delivered
    sent = [run.complete("a"), run.proceed(), run.proceed()]
    # Then all go out in order, in three transitions, of which the last asks for no other
    assert [(len(change.dispatches), change.more) for change in sent] == [(256, True), (256, True), (88, False)]
    assert [dispatch.token for change in sent for dispatch in change.dispatches] == [f":{name}" for name in names]
    assert [len(change.opened) for change in sent] == [600, 256, 88]


def test_a_reminder_delivered_twice_changes_nothing() -> None:
    # Given a run with nothing queued
    run = Run(plan(task("a")))
    # When it is reminded
    assert run.proceed().reason == "nothing_queued"


def test_a_queued_token_is_open_and_can_be_cancelled() -> None:
    # Given a fan-out of which some wait
    names = [f"t{number}" for number in range(300)]
    run = Run(plan(task("a"), *map(task, names), *[f"a->{name}" for name in names]))
    run.complete("a")
    assert list(run.open.values()).count("queued") == 44
    # When the run is cancelled
    run.cancel()
    # Then they are closed like the others
    assert (run.open, list(run.ended.values()).count("cancelled")) == ({}, 300)


def test_a_chain_of_control_nodes_is_one_transition_however_long() -> None:
    # Given 2,000 control nodes between two tasks
    names = [f"p{number}" for number in range(2_000)]
    nodes = [control("parallel", name) for name in names]
    run = Run(plan(task("a"), *nodes, task("z"), "->".join(["a", *names, "z"])))
    # When the first task ends
    run.complete("a", {"n": 1})
    # Then the second is out, with its output
    assert (run.open, run.payload("z")) == ({"z": "dispatched"}, {"n": 1})


def test_a_run_that_makes_too_many_tokens_is_stopped() -> None:
    # Given a run that may make three
    run = Run(plan(looping(task("a"), "a", "true", 99), guards=Guards(max_tokens=3)))
    for number in (1, 2):
        run.complete(f"a[{number}]:a")
    assert run.status == "RUNNING"
    # When it wants a fourth
    run.complete("a[3]:a")
    # Then it has failed, and says which limit it was
    assert (run.status, run.error) == ("FAILED", "guard_tripped")
    assert run.snapshot.head.error is not None
    assert "max_tokens is 3" in run.snapshot.head.error.message


def test_a_loop_without_any_task_is_stopped_by_its_guard() -> None:
    # Given loops of control nodes alone, which no worker slows down
    inner = looping(control("loop", "i"), "i", "true", 1_000)
    outer = looping(control("loop", "o"), "i", "true", 1_000)
    # When the run starts, and goes on by itself
    run = Run(plan(inner, outer, "i->o", guards=Guards(max_loop_iterations=500)))
    while run.last.more:
        run.proceed()
    # Then it has failed when the passes of both together were too many
    assert (run.status, run.error, run.snapshot.head.passes_made) == ("FAILED", "guard_tripped", 501)


def test_a_guard_closes_what_is_open() -> None:
    # Given a run with one task too many
    run = Run(plan(task("a"), task("b"), task("c"), guards=Guards(max_tokens=2)))
    # Then nothing of it is left, and no task of it went out
    assert (run.status, run.open, run.held.streams) == ("FAILED", {}, {})


def test_a_run_that_takes_too_long_is_timed_out() -> None:
    # Given a run that may take a second
    run = Run(plan(task("a"), control("wait", "w", wait=5_000), guards=Guards(max_duration_ms=1_000)))
    # When the second is over
    run.fire("run")
    # Then everything is closed
    assert (run.status, run.open, run.clock, run.error) == ("TIMED_OUT", {}, {}, "timeout")


def test_the_timer_of_the_run_goes_with_the_run() -> None:
    # Given a run that may take a second
    run = Run(plan(task("a"), guards=Guards(max_duration_ms=1_000)))
    assert list(run.clock) == ["run"]
    # When it ends before
    change = run.complete("a")
    # Then the timer is taken off the clock
    assert (run.status, run.clock, change.disarmed) == ("COMPLETED", {}, {"run": 1})
