"""Failed attempts, limits of time, lost workers: SEMANTICS §6."""

from __future__ import annotations

import pytest

from pointsman.base.ids import Millis, TimerId, TokenId
from pointsman.plan import Retry
from pointsman.protocol.state import ErrorInfo, OpenToken, Timer
from pointsman.step.retry import backoff_ms
from tests.support.driven import START, Run, token
from tests.support.plans import edge, plan, task

RETRY = Retry(max_attempts=3, backoff_ms=100)


def test_a_failed_attempt_becomes_a_timer_and_then_the_next_attempt() -> None:
    # Given a task that may be tried three times
    run = Run(plan(task("a", retry=RETRY)))
    # When it fails
    change = run.fail("a", "boom", "no luck")
    # Then its token waits, off its stream, with the error
    waiting = OpenToken(
        "backing_off",
        2,
        activated_at=run.snapshot.head.created_at,
        timers={TimerId("retry::a"): Timer(2, Millis(START + 100))},
        error=ErrorInfo("boom", "no luck"),
    )
    assert run.snapshot.tokens == {token("a"): waiting}
    assert change.withdrawn == {":a": "function"}
    assert run.notes == ["node_retrying"]
    # When the time is over
    run.fire("retry::a")
    # Then the same token is out again
    assert (run.open, run.task("a").attempt, run.task("a").job_id) == ({"a": "dispatched"}, 2, "run_1::a:2")


def test_the_last_permitted_attempt_that_fails_ends_the_node() -> None:
    # Given a task in its third attempt
    run = Run(plan(task("a", retry=RETRY)))
    for _ in range(2):
        run.fail("a")
        run.fire("retry::a")
    # When that fails
    run.fail("a", "boom", "no luck")
    # Then so have the node and the run
    assert (run.result("a").status, run.result("a").attempt) == ("failed", 3)
    assert (run.status, run.snapshot.head.error) == ("FAILED", ErrorInfo("boom", "node `a` failed: no luck"))


def test_an_error_the_worker_calls_final_is_not_retried() -> None:
    # Given a task that may be tried again
    run = Run(plan(task("a", retry=RETRY)))
    # When the worker says that would be no use
    run.fail("a", retryable=False)
    # Then it has failed
    assert run.status == "FAILED"


@pytest.mark.parametrize(
    ("retry", "error", "state"),
    [
        (Retry(2, retry_on=("timeout", "http_500")), "http_500", "RUNNING"),
        (Retry(2, retry_on=("timeout", "http_500")), "boom", "FAILED"),
        (Retry(2, no_retry_on=("boom",)), "boom", "FAILED"),
        (Retry(2, no_retry_on=("boom",)), "bang", "RUNNING"),
        (Retry(2, retry_on=("boom",), no_retry_on=("boom",)), "boom", "FAILED"),
    ],
)
def test_only_errors_of_the_named_types_are_retried(retry: Retry, error: str, state: str) -> None:
    # Given a policy that names types of errors
    run = Run(plan(task("a", retry=retry)))
    # When one comes
    run.fail("a", error)
    # Then the policy decides
    assert run.status == state


@pytest.mark.parametrize(("attempt", "delay"), [(1, 100), (2, 200), (3, 400), (4, 500), (90, 500)])
def test_the_backoff_grows_up_to_its_limit(attempt: int, delay: int) -> None:
    assert backoff_ms(Retry(99, 100, 2.0, 500), token("a"), attempt) == delay


def test_jitter_is_derived_from_token_and_attempt() -> None:
    # Given a backoff of which half may vary
    retry = Retry(9, 1_000, 1.0, jitter=0.5)
    drawn = [backoff_ms(retry, TokenId(f":{name}"), attempt) for name in "abc" for attempt in (1, 2, 3)]
    # Then it varies, within its share, and the same way again
    assert len(set(drawn)) > 5
    assert all(500 <= delay <= 1_000 for delay in drawn)
    assert drawn == [backoff_ms(retry, TokenId(f":{name}"), attempt) for name in "abc" for attempt in (1, 2, 3)]


def test_the_first_completion_wins_whichever_attempt_it_came_from() -> None:
    # Given a task whose second attempt is out
    run = Run(plan(task("a", retry=RETRY), task("b"), "a->b"))
    run.fail("a")
    run.fire("retry::a")
    # When the first reports after all
    run.complete("a", "first", attempt=1)
    # Then that is the result, and the second changes nothing
    assert (run.payload("b"), run.result("a").attempt) == ("first", 1)
    assert run.complete("a", "second", attempt=2).reason == "not_open"


def test_a_completion_during_the_backoff_wins_as_well() -> None:
    # Given a task that backs off
    run = Run(plan(task("a", retry=RETRY), task("b"), "a->b"))
    run.fail("a")
    # When the attempt that failed reports success
    change = run.complete("a", "after all", attempt=1)
    # Then it counts, and no second attempt will be made
    assert run.open == {"b": "dispatched"}
    assert list(change.disarmed) == ["retry::a"]


def test_a_completion_of_an_attempt_that_never_was_changes_nothing() -> None:
    # Given a task that backs off after its first attempt
    run = Run(plan(task("a", retry=RETRY)))
    run.fail("a")
    # When somebody reports on the second, which nobody was given
    change = run.complete("a", attempt=2)
    # Then that is not believed
    assert change.reason == "late_attempt"


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_failure_counts_only_against_the_attempt_it_names(attempt: int) -> None:
    # Given a task whose second attempt is out
    run = Run(plan(task("a", retry=RETRY)))
    run.fail("a")
    run.fire("retry::a")
    # When a failure of another comes
    change = run.fail("a", attempt=attempt)
    # Then it changes nothing
    assert (change.reason, run.open) == ("late_attempt", {"a": "dispatched"})


def test_a_failure_delivered_twice_costs_one_attempt() -> None:
    # Given a task that backs off
    run = Run(plan(task("a", retry=RETRY)))
    run.fail("a", attempt=1)
    # When the same failure comes again
    change = run.fail("a", attempt=1)
    # Then it changes nothing
    assert change.reason == "late_attempt"


def test_an_attempt_that_takes_too_long_is_retried() -> None:
    # Given a task with a limit for each attempt
    run = Run(plan(task("a", retry=RETRY, timeout_ms=50)))
    assert run.task("a").deadline == START + 50
    # When it comes
    run.fire("timeout::a")
    # Then the token backs off, and the next attempt has a limit of its own
    assert run.open == {"a": "backing_off"}
    run.fire("retry::a")
    assert run.task("a").deadline == START + 50 + 100 + 50


def test_the_limit_of_an_attempt_goes_with_the_attempt() -> None:
    # Given an attempt with a limit
    run = Run(plan(task("a", retry=RETRY, timeout_ms=50)))
    # When it fails by itself
    change = run.fail("a")
    # Then the limit is taken off the clock
    assert change.disarmed == {"timeout::a": 1}


def test_the_deadline_runs_on_over_all_attempts() -> None:
    # Given a task with a limit for all attempts together
    run = Run(plan(task("a", retry=Retry(99, 100, 1.0), deadline_ms=250)))
    run.fail("a")
    run.fire("retry::a")
    run.fail("a")
    assert run.clock["deadline::a"].due == START + 250
    # When it comes, though the retry policy would go on
    change = run.fire("deadline::a")
    # Then the node has timed out, and the retry is taken off the clock
    assert (run.result("a").status, run.status) == ("failed", "FAILED")
    assert list(change.disarmed) == ["retry::a"]


@pytest.mark.parametrize("timer", ["timeout::a", "deadline::a"])
def test_a_timeout_takes_the_timeout_edges_where_there_are_any(timer: str) -> None:
    # Given a node with edges for timeouts and for errors
    ways = ("a->b", edge("a->c", on="error"), edge("a->d", on="timeout"))
    run = Run(plan(task("a", timeout_ms=50, deadline_ms=60), task("b"), task("c"), task("d"), *ways))
    # When it times out
    run.fire(timer)
    # Then only the timeout edge is live
    assert (run.open, run.ended) == ({"d": "dispatched"}, {"a": "failed", "b": "skipped", "c": "skipped"})


def test_a_timeout_takes_the_error_edges_where_there_is_no_other() -> None:
    # Given a node with an edge for errors only
    run = Run(plan(task("a", timeout_ms=50), task("b"), task("c"), "a->b", edge("a->c", on="error")))
    # When it times out
    run.fire("timeout::a")
    # Then that is live
    assert (run.open, run.ended) == ({"c": "dispatched"}, {"a": "failed", "b": "skipped"})


def test_any_other_failure_leaves_the_timeout_edges_dead() -> None:
    # Given a node with edges for both
    ways = (edge("a->c", on="error"), edge("a->d", on="timeout"))
    run = Run(plan(task("a"), task("c"), task("d"), *ways))
    # When it fails otherwise
    run.fail("a")
    # Then only the error edge is live
    assert (run.open, run.ended) == ({"c": "dispatched"}, {"a": "failed", "d": "skipped"})


def test_a_timer_counts_only_in_its_current_generation() -> None:
    # Given an attempt with a limit, of the second generation
    run = Run(plan(task("a", retry=RETRY, timeout_ms=50)))
    old = run.clock["timeout::a"]
    run.fail("a")
    run.fire("retry::a")
    # When the timer of the first comes late, and when the retry comes twice
    for name, generation in (("timeout::a", old.generation), ("retry::a", 2)):
        change = run.timer(name, generation)
        # Then it changes nothing
        assert (change.reason, run.open) == ("timer_outdated", {"a": "dispatched"})


def test_a_timer_of_a_token_that_is_closed_changes_nothing() -> None:
    # Given a task with a limit that ended
    run = Run(plan(task("a", timeout_ms=50), task("b"), "a->b"))
    run.complete("a")
    # When the timer comes all the same
    change = run.timer("timeout::a", 1)
    # Then it is late
    assert change.reason == "not_open"


def test_a_lost_worker_means_another_attempt_at_once() -> None:
    # Given a task without a retry policy, and a limit for the node
    run = Run(plan(task("a", deadline_ms=500, timeout_ms=100)))
    # When its worker dies
    run.now += 10
    change = run.lose("a")
    # Then it is out again, its old entry withdrawn, the deadline as it was, the attempt's limit anew
    assert (run.open, run.task("a").attempt, change.withdrawn) == ({"a": "dispatched"}, 2, {":a": "function"})
    assert {name: armed.due - START for name, armed in run.clock.items()} == {
        "deadline::a": 500,
        "timeout::a": 110,
    }
    # And the dead worker's attempt, lost twice, is old
    assert run.lose("a", attempt=1).reason == "late_attempt"


def test_a_token_that_costs_too_many_workers_is_poison() -> None:
    # Given a task that two workers may be lost over
    run = Run(plan(task("a", max_deliveries=2)))
    run.lose("a")
    # When the second is lost
    run.lose("a")
    # Then the node has failed
    assert run.result("a").error == ErrorInfo("poison", "2 workers were lost over it, max_deliveries is 2")
    assert run.status == "FAILED"


def test_a_worker_that_comes_back_from_the_dead_may_still_complete() -> None:
    # Given an attempt that was handed out again
    run = Run(plan(task("a")))
    run.lose("a")
    # When the first worker reports after all
    run.complete("a", "alive", attempt=1)
    # Then its result is the node's
    assert run.output == {"a": "alive"}
