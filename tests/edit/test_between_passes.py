"""Editing a run whose loop stands between two passes, since one transition begins no more of them."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.base.errors import EditRefused
from pointsman.plan import Join, Plan
from tests.support.edited import EditedRun
from tests.support.plans import control, edge, looping, plan, task


def alone(*more: Any) -> Plan:
    """A loop of 250 passes without a task in it."""
    closer = looping(control("loop", "l"), "e", "loop.iteration < 250", 10_000)
    return plan(control("parallel", "e"), closer, task("z"), "e->l", edge("l->z", leave="break"), *more)


def first_by_hand(*more: Any) -> Plan:
    """The same loop, but its first pass leads over a task."""
    closer = looping(control("loop", "l", join=Join("any")), "e", "loop.iteration < 250", 10_000)
    ways = (edge("e->t", "loop.iteration == 1"), edge("e->l"), "t->l", edge("l->z", leave="break"))
    return plan(control("conditional", "e"), task("t"), closer, task("z"), *ways, *more)


@pytest.mark.parametrize("made_of", [alone, first_by_hand])
def test_an_edit_lands_between_two_passes_and_the_loop_goes_on(made_of: Any) -> None:
    # Given a run whose loop is to begin a pass by the next signal
    run = EditedRun(made_of())
    if "l[1]:t" in run.open:
        run.complete("l[1]:t")
    assert run.open == {"l": "beginning"}
    # When a node is added behind the loop
    run.edit(made_of(task("after"), "z->after"))
    # Then nothing of it moves
    assert run.open == {"l": "beginning"}
    # And it goes on, as if nothing had been
    while "l" in run.open:
        run.proceed()
    assert run.open == {"z": "dispatched"}
    run.complete("z")
    assert run.open == {"after": "dispatched"}


def test_an_edit_inside_a_loop_between_two_passes_that_no_pass_waits_for_lands() -> None:
    # Given a run whose loop is to begin a pass by the next signal, for a second time
    run = EditedRun(first_by_hand())
    run.complete("l[1]:t")
    run.proceed()
    assert run.open == {"l": "beginning"}
    # When a task is put into its body that no pass waits for
    run.edit(first_by_hand(task("inside"), "e->inside->l"))
    # Then the loop goes on to its end all the same
    run.proceed()
    assert run.open == {"z": "dispatched"}


def test_an_edit_that_passes_which_left_no_record_would_have_met_is_refused() -> None:
    # Given a run whose loop has gone round without anybody's report
    run = EditedRun(alone())
    # When a task is put into the body, where each of these passes would have waited
    with pytest.raises(EditRefused, match="EDT022"):
        run.edit(alone(task("inside"), "e->inside->l"))
    # Then the loop goes on as it was
    assert run.open == {"l": "beginning"}
    run.proceed()
    assert run.open == {"l": "beginning"}


def test_an_edit_that_takes_the_loop_away_closes_what_stands_between_two_passes() -> None:
    # Given a run whose loop is to begin a pass by the next signal
    run = EditedRun(alone())
    # When the loop is made a plain node
    run.edit(plan(control("parallel", "e"), control("parallel", "l"), task("z"), "e->l->z"))
    # Then what was behind it comes at once
    assert run.open == {"z": "dispatched"}
