"""Folding a run's events gives its snapshot. (That it does after every step is held by `tests.support.driven`.)"""

from __future__ import annotations

import pytest

from pointsman.base.ids import Digest, Tip
from pointsman.protocol.transition import Patch, Transition, decode_event, seal
from pointsman.step import advance, fold
from tests.support.driven import Run, bare, folded
from tests.support.plans import looping, plan, task


def told() -> Run:
    """A run with a few events."""
    run = Run(plan(task("a"), looping(task("b"), "b", "output"), "a->b"))
    run.complete("a")
    run.complete("b[1]:b", True)
    return run


def test_an_event_gives_the_transition_without_what_is_derived_from_it() -> None:
    # Given the last transition of a run
    run = told()
    # When its event is read back
    read = decode_event(run.events[-1][0])
    # Then only tasks and withdrawals are missing
    assert run.last.dispatches
    assert run.last.withdrawn
    run.last.dispatches, run.last.withdrawn = (), {}
    assert read == run.last


def test_an_empty_transition_moves_nothing() -> None:
    # Given a run
    run = told()
    before = folded(run.events)
    # When a signal changes nothing
    change = run.complete("a", attempt=1)
    assert change.is_empty
    # Then the snapshot is as it was, tip and seq included
    assert bare(run.snapshot) == before


def test_folding_refuses_events_with_one_missing() -> None:
    # Given the events of a run, one taken out
    run = told()
    # Then folding them says which is missing
    with pytest.raises(ValueError, match="event 3 does not follow event 1"):
        folded([run.events[0], run.events[2]])


def test_folding_refuses_events_without_the_first() -> None:
    run = told()
    with pytest.raises(ValueError, match="seq 2 is not a first transition"):
        folded(run.events[1:])


def test_folding_refuses_to_make_a_run_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        fold([])


def test_the_tip_depends_on_the_one_before_and_on_the_content() -> None:
    # Given three transitions that differ in one thing each
    run = told()
    made = run.last
    other = Transition(made.run_id, made.seq, Tip("other"), made.at, made.cause)
    same = Transition(made.run_id, made.seq, made.prev, made.at, made.cause)
    # Then their tips differ, and the same content has the same tip
    assert len({seal(made).tip, seal(other).tip, seal(same).tip}) == 3
    assert seal(made) == seal(made)


def test_a_patch_moves_the_run_to_another_plan() -> None:
    # Given a run at its first revision
    run = told()
    head = run.snapshot.head
    patch = Patch(2, Digest("new plan"), Digest("new definition"), head.definition)
    made = seal(Transition(head.run_id, head.seq + 1, head.tip, run.last.at, "patch", patch=patch))
    # When it is patched
    advance(run.snapshot, made.transition, made.tip)
    # Then it points at the other plan
    head = run.snapshot.head
    assert (head.revision, head.plan, head.definition, head.tip) == (2, "new plan", "new definition", made.tip)
