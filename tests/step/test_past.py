"""A run's past: folding its rows up to any point gives what the run was then, and a gap ends the fold."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.base.ids import TimerId, Tip
from pointsman.plan import Retry
from pointsman.protocol.signal import Continue
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import decode_event
from pointsman.step.past import Past, clock_of, standing
from tests.support.driven import RUN, Run, bare
from tests.support.plans import control, edge, looping, plan, task


class Row(NamedTuple):
    """A row of the journal, as far as which rows stand is concerned."""

    epoch: int
    seq: int


def busy() -> Run:
    """Branches, a join, a loop, a retry with its timers and a wait."""
    tried = task("x", retry=Retry(max_attempts=3, backoff_ms=5), timeout_ms=50, deadline_ms=500)
    again = looping(task("again"), "x", "output.again")
    return Run(plan(task("a"), tried, again, control("wait", "nap", wait=100), task("end"), *WAYS))


WAYS = ("a->x->again", edge("again->end"), "a->nap->end")


def anything(run: Run, random: Random) -> None:
    """One thing that can happen to a run."""
    out = sorted(name for name, state in run.snapshot.tokens.items() if state.state == "dispatched")
    choices: list[Any] = [lambda: run.resume() if run.status == "PAUSED" else run.pause()]
    if out:
        name = random.choice(out)
        choices += [lambda: run.complete(name, {"again": random.random() < 0.6})] * 4
        choices += [lambda: run.fail(name), lambda: run.lose(name)]
    if run.clock:
        timer = random.choice(sorted(run.clock))
        choices.append(lambda: run.fire(timer))
    if any(state.state == "queued" for state in run.snapshot.tokens.values()):
        choices.append(lambda: run.take(Continue(RUN)))
    random.choice(choices)()


def copied(run: Snapshot) -> Snapshot:
    """A snapshot as it is now."""
    joins = {token: dict(edges) for token, edges in run.joins.items()}
    head = type(run.head)(**{name: getattr(run.head, name) for name in run.head.__struct_fields__})
    return Snapshot(head, dict(run.tokens), dict(run.results), joins, dict(run.frames))


@given(st.randoms(use_true_random=False), st.integers(0, 40))
def test_the_fold_up_to_any_event_is_the_run_as_it_was_then(random: Random, steps: int) -> None:
    # Given a run to which anything happens, and what it was after each event
    run = busy()
    states = [copied(run.snapshot)]
    for _ in range(steps):
        if run.snapshot.is_final:
            break
        before = run.snapshot.head.seq
        anything(run, random)
        if run.snapshot.head.seq != before:
            states.append(copied(run.snapshot))
    # When its events are folded one after the other
    past = Past()
    for (event, tip), state in zip(run.events, states, strict=True):
        assert past.take(decode_event(event), tip)
        # Then each time it is what the run was
        assert past.run == bare(state)
        # And its clock holds the timers that run
        assert clock_of(state).keys() >= run_clock(state)


def run_clock(run: Snapshot) -> set[TimerId]:
    """The timers that the open tokens of a run wait for."""
    return {name for state in run.tokens.values() for name, timer in state.timers.items() if timer.left_ms is None}


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_gap_ends_the_fold_and_leaves_it_as_it_was(missing: int) -> None:
    # Given a run of four events, of which one is not there
    run = Run(plan(task("a"), task("b"), task("c"), "a->b->c"))
    for name in ("a", "b", "c"):
        run.complete(name)
    rows = [(decode_event(event), tip) for event, tip in run.events]
    whole, past = Past(), Past()
    for change, tip in rows[:missing]:
        assert whole.take(change, tip)
    # When they are folded
    taken = [past.take(change, tip) for change, tip in (*rows[:missing], *rows[missing + 1 :])]
    # Then those before the gap are, and none behind it
    assert taken == [True] * missing + [False] * (3 - missing)
    assert (past.run, past.history) == (whole.run, whole.history)


def test_an_event_that_follows_another_than_the_last_is_not_taken() -> None:
    # Given an event that bears the right number and comes from another past
    one, other = (Run(plan(task("a"), task("b"), "a->b")) for _ in range(2))
    one.complete("a", 1)
    other.complete("a", 2)
    other.complete("b", 2)
    past = Past()
    for event, tip in one.events:
        assert past.take(decode_event(event), tip)
    # Then it does not follow
    assert not past.take(decode_event(other.events[2][0]), Tip("f"))


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(1, 1), (1, 2), (1, 3)], [(1, 1), (1, 2), (1, 3)]),
        ([(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)], [(1, 1), (2, 2), (2, 3)]),
        ([(1, 1), (1, 2), (2, 3), (3, 2)], [(1, 1), (3, 2)]),
        ([(1, 1), (1, 5), (2, 2)], [(1, 1), (2, 2)]),
        ([(1, 1), (2, 2), (3, 3), (3, 4)], [(1, 1), (2, 2), (3, 3), (3, 4)]),
    ],
)
def test_a_later_epoch_supersedes_what_earlier_ones_have_from_its_first_row_on(
    rows: Sequence[tuple[int, int]], kept: Sequence[tuple[int, int]]
) -> None:
    assert standing([Row(*row) for row in rows]) == [Row(*row) for row in kept]
