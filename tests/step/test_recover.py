"""`recover`: what was out goes out again, as the next attempt, and nothing else changes."""

from __future__ import annotations

import pytest

from pointsman.base.ids import Millis, TimerId
from pointsman.plan import Retry
from pointsman.protocol.signal import Completed, Failed
from pointsman.protocol.state import Timer
from pointsman.protocol.transition import Transition, seal
from pointsman.step import advance
from pointsman.step.draft import MAX_DISPATCHES
from pointsman.step.past import clock_of
from pointsman.step.recover import recover
from tests.support.driven import RUN, Run, token
from tests.support.plans import control, plan, task


def recovered(run: Run, after_ms: int = 0) -> Transition:
    """Recover a run, some time later."""
    run.now += after_ms
    sealed = seal(recover(run.program, run.snapshot, Millis(run.now)))
    advance(run.snapshot, sealed.transition, sealed.tip)
    run.events.append((sealed.event, sealed.tip))
    run.held.write(sealed.transition)
    run.held.compare(run.snapshot)
    return sealed.transition


def completion(node: str) -> Completed:
    """The worker that had the first attempt is done."""
    return Completed(RUN, token(node), 1)


def test_what_was_out_goes_out_as_the_next_attempt() -> None:
    # Given a run with two tasks out and one done
    run = Run(plan(task("a"), task("b"), task("c"), "a->b", "a->c"))
    run.complete("a", {"n": 1})
    # When it is recovered
    change = recovered(run, 10)
    # Then both go out again, and the rest is as it was
    assert change.cause == "recovered"
    assert [dispatch.token for dispatch in change.dispatches] == [token("b"), token("c")]
    assert {name: state.attempt for name, state in run.snapshot.tokens.items()} == {token("b"): 2, token("c"): 2}
    assert run.ended == {"a": "completed"}


def test_a_result_of_the_attempt_before_still_counts_and_its_failure_does_not() -> None:
    # Given two recovered tasks
    run = Run(plan(task("a"), task("b")))
    recovered(run)
    # When the workers that had them before report
    failed, done = run.look(Failed(RUN, token("b"), 1)), run.look(completion("a"))
    # Then the failure is late, and the result is not
    assert failed.reason == "late_attempt"
    assert {name: result.attempt for name, result in done.ended.items()} == {token("a"): 1}


def test_a_lost_redis_costs_a_node_no_worker_but_an_attempt() -> None:
    # Given a node that may cost two workers and be tried twice
    run = Run(plan(task("a", retry=Retry(max_attempts=2), max_deliveries=2)))
    # When Redis is lost three times
    for _ in range(3):
        recovered(run)
    # Then it is out, for the fourth time
    state = run.snapshot.tokens[token("a")]
    assert (state.state, state.attempt, state.deliveries) == ("dispatched", 4, 0)


def test_timers_keep_their_due_times_but_for_those_of_the_attempt() -> None:
    # Given a task with a timeout and a deadline, and a node that sleeps
    run = Run(plan(task("a", timeout_ms=100, deadline_ms=1_000), control("wait", "nap", wait=500)))
    before = dict(run.clock)
    # When the run is recovered 70 ms later
    change = recovered(run, 70)
    # Then the attempt has its full time again, and everything else what was left of it
    timeout = TimerId(f"timeout:{token('a')}")
    assert clock_of(run.snapshot) == {**before, timeout: Timer(change.seq, Millis(run.now + 100))}


def test_tasks_of_a_paused_run_are_held_until_it_is_resumed() -> None:
    # Given a paused run with a task out
    run = Run(plan(task("a", timeout_ms=100)))
    run.pause()
    # When it is recovered
    change = recovered(run)
    # Then nothing is dispatched
    assert (change.dispatches, run.open, change.more) == ((), {"a": "held"}, False)
    # And the old attempt's result counts
    assert run.look(completion("a")).status == "COMPLETED"


def test_more_tasks_than_a_transition_may_emit_follow_by_a_signal() -> None:
    # Given a run with more tasks out than that
    run = Run(plan(*(task(f"n{n}") for n in range(MAX_DISPATCHES + 3))))
    run.proceed()
    # When it is recovered
    change = recovered(run)
    # Then the rest waits for the signal that the run sends itself
    states = [state.state for state in run.snapshot.tokens.values()]
    assert (len(change.dispatches), states.count("queued"), change.more) == (MAX_DISPATCHES, 3, True)


@pytest.mark.parametrize("kind", ["sleeping", "backing_off"])
def test_a_run_with_nothing_out_has_an_event_of_its_recovery_all_the_same(kind: str) -> None:
    # Given a run that waits for a timer
    run = Run(plan(control("wait", "nap", wait=500) if kind == "sleeping" else task("a", retry=Retry(max_attempts=2))))
    if kind == "backing_off":
        run.fail("a")
    tokens = dict(run.snapshot.tokens)
    # When it is recovered
    change = recovered(run)
    # Then its history tells, and its tokens are as they were
    assert (change.is_empty, change.dispatches, run.snapshot.tokens) == (False, (), tokens)
