"""`restart`: a token goes out anew, and what was out of it before is late (SEMANTICS §6)."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.base.ids import Millis
from pointsman.plan import Retry
from pointsman.protocol.transition import Transition, seal
from pointsman.step import advance
from pointsman.step.draft import Draft
from pointsman.step.restart import restart
from tests.support.driven import Run, token
from tests.support.plans import plan, task

A = token("a")


def restarted(run: Run, attempt: int) -> Transition:
    """Restart `a` as this attempt, the way an edit does."""
    draft = Draft(run.program, run.snapshot, Millis(run.now))
    restart(draft, {A: attempt, token("gone"): 9})
    sealed = seal(draft.finish("test", None))
    advance(run.snapshot, sealed.transition, sealed.tip)
    run.events.append((sealed.event, sealed.tip))
    run.held.write(sealed.transition)
    run.held.compare(run.snapshot)
    return sealed.transition


def test_a_restarted_token_goes_out_anew_with_its_deadline_running_on() -> None:
    # Given a task that is out, with limits
    run = Run(plan(task("a", timeout_ms=100, deadline_ms=500)))
    before = run.snapshot.tokens[A]
    run.now += 10
    # When it is restarted; a token that is not open is passed over
    change = restarted(run, 2)
    # Then its entry is replaced, the attempt's limit is new and the deadline is not
    assert (change.withdrawn, list(change.opened)) == ({A: "function"}, [A])
    assert run.task("a").attempt == 2
    kept = {name: timer for name, timer in before.timers.items() if name.startswith("deadline:")}
    assert {name: timer for name, timer in run.snapshot.tokens[A].timers.items() if name in kept} == kept
    assert run.clock["timeout::a"].due == run.now + 100


def test_what_was_out_before_a_restart_is_late() -> None:
    # Given a restarted task
    run = Run(plan(task("a", retry=Retry(9))))
    restarted(run, 2)
    # When the attempt from before completes, fails or loses its worker
    late = [run.complete("a", "old", attempt=1), run.fail("a", attempt=1), run.lose("a", attempt=1)]
    # Then nothing changes, and only the new one counts
    assert [change.reason for change in late] == ["late_attempt"] * 3
    run.complete("a", "new", attempt=2)
    assert run.output == {"a": "new"}


def test_a_task_that_backs_off_is_restarted_at_once() -> None:
    # Given a task that backs off
    run = Run(plan(task("a", retry=Retry(9))))
    run.fail("a")
    # When it is restarted
    change = restarted(run, 3)
    # Then the retry is taken off the clock
    assert (run.open, run.clock, list(change.disarmed)) == ({"a": "dispatched"}, {}, ["retry::a"])
    assert run.snapshot.tokens[A] == replace(run.snapshot.tokens[A], attempt=3, min_attempt=3, error=None)


def test_a_restart_in_a_paused_run_is_held() -> None:
    # Given a paused run
    run = Run(plan(task("a")))
    run.pause()
    # When its task is restarted
    change = restarted(run, 2)
    # Then the entry is withdrawn, and the new attempt goes out on resume
    assert (run.open, change.dispatches, change.withdrawn) == ({"a": "held"}, (), {A: "function"})
    run.resume()
    assert run.task("a").attempt == 2
