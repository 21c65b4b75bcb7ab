"""The first transition of a run."""

from __future__ import annotations

import msgspec
import pytest

from pointsman.base.ids import Millis
from pointsman.plan import Guards
from pointsman.protocol.output import Output
from pointsman.step import OutputsNeeded, Program, start
from tests.support.driven import START, Run, cel, head_of
from tests.support.plans import control, edge, looping, plan, task


def test_every_node_without_in_edges_is_started() -> None:
    # Given a plan with two of them
    run = Run(plan(task("a"), task("b"), task("c"), "a->c", "b->c"))
    # Then both are out, in the first transition
    assert (run.status, run.open, run.last.seq) == ("RUNNING", {"a": "dispatched", "b": "dispatched"}, 1)


def test_starting_does_not_change_what_was_accepted() -> None:
    # Given a run as it was accepted
    graph = plan(task("a"), guards=Guards(max_duration_ms=5))
    head = head_of(graph, {"n": 1})
    before = msgspec.json.encode(head)
    # When it is started, twice
    first = start(Program(graph, cel()), head, Millis(START))
    # Then the same comes of it, and the head is as it was
    assert first == start(Program(graph, cel()), head, Millis(START))
    assert msgspec.json.encode(head) == before


def test_a_run_of_control_nodes_alone_is_done_when_it_starts() -> None:
    # Given a plan without tasks, with a limit of time
    graph = plan(control("conditional", "a"), control("parallel", "b"), edge("a->b", "output.n > 1"))
    run = Run(msgspec.structs.replace(graph, guards=Guards(max_duration_ms=5)), {"n": 2})
    # Then its first transition is its last, and leaves no timer behind
    assert (run.status, run.output, run.clock) == ("COMPLETED", {"b": {"n": 2}}, {})


def test_a_start_node_that_begins_a_loop_opens_its_first_pass() -> None:
    # Given a plan that begins with a loop
    run = Run(plan(task("a"), looping(task("l"), "a", "output"), "a->l"), "input")
    # Then the run's input is what the first pass is handed
    assert (run.open, run.payload("l[1]:a")) == ({"l[1]:a": "dispatched"}, "input")
    # And later ones are handed what the loop node said
    run.complete("l[1]:a")
    run.complete("l[1]:l", True)
    assert run.payload("l[2]:a") is True


def test_an_input_in_the_blob_store_is_asked_for_when_it_is_read() -> None:
    # Given an input that is a blob, and a start node that reads it
    graph = plan(task("a", config="${input.n}"))
    head = msgspec.structs.replace(head_of(graph), input=Output(ref="blob://1"))
    # When the run is started without it
    with pytest.raises(OutputsNeeded) as asked:
        start(Program(graph, cel()), head, Millis(START))
    # Then it says which, and starts when it is given
    assert asked.value.refs == {"blob://1"}
    made = start(Program(graph, cel()), head, Millis(START), {"blob://1": b'{"n": 7}'})
    assert b'"config":7' in made.dispatches[0].body


def test_a_run_that_fails_at_its_start_leaves_nothing_behind() -> None:
    # Given a start node that cannot be dispatched beside one that can
    run = Run(plan(task("a", timeout_ms=5), task("b", config="${input.missing}"), guards=Guards(max_duration_ms=9)), {})
    # Then neither is out, nor on the clock
    assert (run.status, run.open, run.held.streams, run.clock) == ("FAILED", {}, {}, {})
    assert run.ended == {"a": "cancelled", "b": "failed"}
