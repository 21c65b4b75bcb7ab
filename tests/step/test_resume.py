"""Resume: clocks run on, what was held goes out (SEMANTICS §7)."""

from __future__ import annotations

from pointsman.plan import Guards
from tests.support.driven import START, Run
from tests.support.plans import edge, plan, task


def test_what_was_held_goes_out_on_resume() -> None:
    # Given a paused run that holds two tasks, and one that is out
    run = Run(plan(task("a"), task("o"), task("b"), task("c"), "a->b", "a->c"))
    run.pause()
    run.complete("a")
    # When it is resumed
    change = run.resume()
    # Then these two are dispatched, and the third is not touched
    assert [dispatch.token for dispatch in change.dispatches] == [":b", ":c"]
    assert (run.status, run.open) == ("RUNNING", {"o": "dispatched", "b": "dispatched", "c": "dispatched"})


def test_clocks_run_on_with_the_time_they_had_left() -> None:
    # Given a run that was paused for an hour
    run = Run(plan(task("a", timeout_ms=100), guards=Guards(max_duration_ms=1_000)))
    run.now += 30
    run.pause()
    run.now += 3_600_000
    # When it is resumed
    run.resume()
    # Then the hour did not count
    assert {name: armed.due - run.now for name, armed in run.clock.items()} == {"timeout::a": 70, "run": 970}
    # And the timers of before the pause are outdated
    assert run.timer("run", 1).reason == "timer_outdated"


def test_the_deadline_of_a_task_that_was_held_counts_from_resume() -> None:
    # Given a task that was activated while the run was paused
    run = Run(plan(task("a"), task("b", deadline_ms=50, timeout_ms=80), "a->b"))
    run.pause()
    run.complete("a")
    run.now += 1_000
    # When the run is resumed
    run.resume()
    # Then both limits are whole
    assert run.task("b").deadline == START + 1_000 + 50
    assert {armed.due - run.now for armed in run.clock.values()} == {50, 80}


def test_tokens_over_the_limit_of_one_transition_survive_a_pause() -> None:
    # Given a fan-out of 300 whose `continue` came while the run was paused, and was of no use
    names = [f"t{number}" for number in range(300)]
    run = Run(plan(task("a"), *map(task, names), *[f"a->{name}" for name in names]))
    assert run.complete("a").more
    run.pause()
    assert run.proceed().reason == "nothing_queued"
    # When the run is resumed
    change = run.resume()
    # Then the rest goes out
    assert len(change.dispatches) == 300 - 256
    assert set(run.open.values()) == {"dispatched"}


def test_more_than_one_transition_may_emit_is_sent_on_by_the_run_itself() -> None:
    # Given 300 tokens that were held
    names = [f"t{number}" for number in range(300)]
    run = Run(plan(task("a"), *map(task, names), *[f"a->{name}" for name in names]))
    run.pause()
    run.complete("a")
    # When the run is resumed
    change = run.resume()
    # Then 256 go out, and the run reminds itself of the others
    assert (len(change.dispatches), change.more) == (256, True)
    change = run.proceed()
    assert (len(change.dispatches), change.more) == (44, False)


def test_a_run_that_fails_while_it_is_resumed_opens_nothing_more() -> None:
    # Given two held tasks of which the first cannot be dispatched
    run = Run(plan(task("a"), task("b", config="${ctx.a.output.missing}"), task("c"), "a->b", "a->c"))
    run.pause()
    run.complete("a", {})
    # When the run is resumed
    change = run.resume()
    # Then it has failed, and nothing is left open
    assert (run.status, run.open, change.dispatches) == ("FAILED", {}, ())
    assert run.ended == {"a": "completed", "b": "failed", "c": "cancelled"}


def test_a_failure_while_resuming_is_routed_like_any_other() -> None:
    # Given a held task that cannot be dispatched, with an error edge
    run = Run(plan(task("a"), task("b", config="${ctx.a.output.missing}"), task("c"), "a->b", edge("b->c", on="error")))
    run.pause()
    run.complete("a", {})
    # When the run is resumed
    run.resume()
    # Then the edge is taken in the same transition
    assert run.open == {"c": "dispatched"}


def test_resuming_a_run_that_is_not_paused_changes_nothing() -> None:
    # Given a running run
    run = Run(plan(task("a")))
    # When it is resumed
    assert run.resume().reason == "not_paused"
