"""How many passes one transition begins is no part of what a run means (SEMANTICS §4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.compile import compile_source
from pointsman.plan import Plan
from pointsman.protocol.signal import Continue
from pointsman.protocol.state import OpenToken, Snapshot
from pointsman.step import activation
from tests.support.definitions import VALUES, definitions
from tests.support.driven import RUN, Run, cel, step_twice
from tests.support.plans import control, edge, looping, plan, task

PATIENCE = 40
"""Tasks that are done before a random run is left."""


def counting(most: int, **fields: Any) -> Plan:
    """A loop of two control nodes that goes round until its counter says otherwise, and a task behind it."""
    closer = looping(control("loop", "l"), "e", f"loop.iteration < {most}", 10_000)
    return plan(control("parallel", "e"), closer, task("z"), "e->l", edge("l->z", leave="break"), **fields)


def gone_round(run: Run) -> int:
    """Let a run send itself what it wants; how often it did."""
    count = 0
    while run.last.more:
        run.proceed()
        count += 1
    return count


def test_a_loop_that_waits_for_nobody_goes_on_by_signals_of_its_own() -> None:
    # Given a loop of 350 passes without a task in it
    run = Run(counting(350))
    # When the run starts
    # Then the first transition leaves it between two passes, and the run open
    assert (run.open, run.last.more) == ({"l": "beginning"}, True)
    assert (run.snapshot.frames, run.snapshot.head.passes_made) == ({}, 101)
    # And it goes on to its end by itself
    assert gone_round(run) == 3
    assert (run.open, run.snapshot.head.passes_made) == ({"z": "dispatched"}, 350)


def test_a_second_continue_for_the_same_stop_changes_nothing() -> None:
    run = Run(counting(150))
    run.proceed()
    assert run.proceed().reason == "nothing_queued"
    assert run.open == {"z": "dispatched"}


def test_a_loop_between_two_passes_waits_while_its_run_is_paused() -> None:
    # Given a run that was paused between two passes, its `continue` of no use
    run = Run(counting(150))
    run.pause()
    assert run.proceed().reason == "nothing_queued"
    # When it is resumed, then the loop goes on where it stood
    run.resume()
    assert (run.open, run.snapshot.head.passes_made) == ({"z": "dispatched"}, 150)


def test_a_run_cancelled_between_two_passes_leaves_nothing_of_the_loop_open() -> None:
    run = Run(counting(150))
    run.cancel()
    assert (run.status, run.open) == ("CANCELLED", {})
    assert run.ended == {"e": "completed", "l": "completed"}


def test_no_completion_is_taken_for_a_loop_that_is_between_two_passes() -> None:
    # Given a loop between two passes
    run = Run(counting(150))
    # When somebody reports its closing node done, then nobody was handed that
    assert run.complete("l", {"x": 1}).reason == "not_dispatched"
    assert run.open == {"l": "beginning"}


def test_what_waits_goes_out_in_one_order_however_the_store_hands_it_over() -> None:
    # Given a fan-out of more than one transition emits, and the same run as a store may load it
    names = [f"t{number:03}" for number in range(600)]
    run = Run(plan(task("a"), *map(task, names), *[f"a->{name}" for name in names]))
    run.complete("a")
    loaded = Snapshot(replace(run.snapshot.head), dict(reversed(run.snapshot.tokens.items())), run.snapshot.results)
    # When both go on
    change = run.proceed()
    # Then by the same tasks, in the same order
    assert step_twice(run.program, loaded, Continue(RUN), run.now).dispatches == change.dispatches


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_outcome_is_the_same_wherever_a_transition_stops(data: st.DataObject) -> None:
    # Given a random plan with loops, most of them of control nodes, run twice
    document = data.draw(definitions(cel(), nodes=8, passes=4, failures=False))
    for node in document["nodes"]:
        if node["type"] == "function" and data.draw(st.integers(0, 4)):
            node["type"] = "loop" if "loop" in node else "parallel"
    made_of = compile_source(document, cel())[1].plan
    given_input = {"x": data.draw(st.sampled_from(VALUES))}
    few = data.draw(st.integers(1, 3))
    with pytest.MonkeyPatch.context() as patched:
        whole = Run(made_of, given_input)
        patched.setattr(activation, "MAX_PASSES", few)
        parted = Run(made_of, given_input)
        # When the same is done to both, one stopping after every few passes
        for _ in range(PATIENCE):
            gone_round(parted)
            # Then they stand where each other stands, whenever they have stopped
            assert essence(parted) == essence(whole)
            out = sorted(name for name, state in whole.snapshot.tokens.items() if state.state == "dispatched")
            if not out:
                break
            done, value = data.draw(st.sampled_from(out)), {"x": data.draw(st.sampled_from(VALUES))}
            parted.complete(done, value)
            patched.undo()
            whole.complete(done, value)
            patched.setattr(activation, "MAX_PASSES", few)


def essence(run: Run) -> object:
    """A run's state but for the number and the names of its transitions, and the order of what it put out."""
    head = replace(run.snapshot.head, seq=0, tip="")
    tokens = {name: _without_generations(state) for name, state in run.snapshot.tokens.items()}
    state = (head, tokens, run.snapshot.results, run.snapshot.joins, run.snapshot.frames, run.held.dispatched)
    return msgspec.json.decode(msgspec.json.encode(state, order="sorted"))


def _without_generations(state: OpenToken) -> OpenToken:
    return replace(state, timers={name: replace(timer, generation=0) for name, timer in state.timers.items()})
