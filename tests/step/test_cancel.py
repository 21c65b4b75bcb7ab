"""Cancel: what is open is closed at once (SEMANTICS §7)."""

from __future__ import annotations

import pytest

from pointsman.plan import Guards, Retry
from pointsman.protocol.state import ErrorInfo
from tests.support.driven import Run
from tests.support.plans import control, looping, plan, task


def busy() -> Run:
    """A run with a token in each state that a running one has."""
    nodes = [
        task("out", timeout_ms=100),
        task("again", retry=Retry(2)),
        control("wait", "w", wait=100),
        looping(task("l"), "l", "true"),
    ]
    run = Run(plan(*nodes, guards=Guards(max_duration_ms=9_000)))
    run.fail("again")
    assert run.open == {"out": "dispatched", "again": "backing_off", "w": "sleeping", "l[1]:l": "dispatched"}
    return run


def test_cancelling_closes_every_token_and_every_clock() -> None:
    # Given a busy run
    run = busy()
    # When it is cancelled
    change = run.cancel("not needed")
    # Then nothing is open, on a stream or on the clock
    assert (run.status, run.open, run.held.streams, run.clock) == ("CANCELLED", {}, {}, {})
    assert set(run.ended.values()) == {"cancelled"}
    assert run.snapshot.head.error == ErrorInfo("cancelled", "not needed")
    assert {result.reason for result in change.ended.values()} == {"run_cancelled"}


def test_what_comes_after_the_cancellation_is_closed() -> None:
    # Given a cancelled run
    run = busy()
    run.cancel()
    # When results, timers and commands still come
    late = [run.complete("out", attempt=1), run.timer("timeout::out", 1), run.pause(), run.resume(), run.cancel()]
    # Then each changes nothing
    assert [change.reason for change in late] == ["closed"] * 5


@pytest.mark.parametrize("paused", [False, True])
def test_a_paused_run_is_cancelled_like_any_other(paused: bool) -> None:
    # Given a busy run, paused or not
    run = busy()
    if paused:
        run.pause()
    # When it is cancelled
    run.cancel()
    # Then it is
    assert (run.status, run.open, run.clock) == ("CANCELLED", {}, {})
