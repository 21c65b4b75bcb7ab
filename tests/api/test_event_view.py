"""The public form of events: a pure projection of transitions."""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator_api.event_view import event_of
from pointsman.plan import Retry
from pointsman.protocol.signal import Cancel
from pointsman.protocol.transition import Patch, Transition, decode_event
from tests.support.driven import RUN, START, Run
from tests.support.plans import control, edge, looping, plan, task


def shown(change: Transition) -> dict[str, Any]:
    """The event as a caller receives it, made of what the journal holds."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event_of(change)))
    return told


def nodes(run: Run) -> list[tuple[str, str, str]]:
    """What the last event says became of which node in which frame."""
    told = shown(decode_event(run.events[-1][0]))
    return [(node.get("frame", ""), node["node"], node["status"]) for node in told.get("nodes", [])]


def test_the_first_event_says_what_was_dispatched() -> None:
    run = Run(plan(task("a"), task("b")))
    assert shown(decode_event(run.events[0][0])) == {
        "run_id": "run_1",
        "seq": 1,
        "at": START,
        "type": "start",
        "status": "RUNNING",
        "nodes": [
            {"node": "a", "status": "dispatched", "attempt": 1, "type": "function"},
            {"node": "b", "status": "dispatched", "attempt": 1, "type": "function"},
        ],
    }


def test_a_completion_says_what_ended_and_what_follows() -> None:
    run = Run(plan(task("a"), task("b"), task("c"), edge("a->b", "output.x > 1"), edge("a->c")))
    assert shown(run.complete("a", {"x": 1})) == {
        "run_id": "run_1",
        "seq": 2,
        "at": START,
        "type": "completed",
        "nodes": [
            {"node": "a", "status": "completed", "attempt": 1, "output": {"x": 1}},
            {"node": "b", "status": "skipped", "reason": "no_live_edge"},
            {"node": "c", "status": "dispatched", "attempt": 1, "type": "function"},
        ],
    }


def test_the_final_event_carries_status_and_output_of_the_run() -> None:
    run = Run(plan(task("a")))
    told = shown(run.complete("a", 1))
    assert (told["status"], told["output"]) == ("COMPLETED", {"a": 1})


def test_a_failed_attempt_says_that_the_node_waits_and_why() -> None:
    run = Run(plan(task("a", retry=Retry(max_attempts=2))))
    told = shown(run.fail("a", "http", "503"))
    error = {"type": "http", "message": "503"}
    assert told["nodes"] == [{"node": "a", "status": "waiting", "attempt": 2, "error": error, "reason": "backing_off"}]
    assert told["notes"][0]["kind"] == "node_retrying"


def test_a_command_says_who_sent_it_and_why() -> None:
    run = Run(plan(task("a")))
    told = shown(run.take(Cancel(RUN, by="ann", reason="enough")))
    assert (told["type"], told["by"], told["reason"], told["status"]) == ("cancel", "ann", "enough", "CANCELLED")
    assert told["nodes"] == [{"node": "a", "status": "cancelled", "attempt": 1, "reason": "run_cancelled"}]


def test_stopped_clocks_are_not_told_as_changes_of_nodes() -> None:
    # Given a run with a task that has a timeout, and one that sleeps
    run = Run(plan(task("a", timeout_ms=1_000), control("wait", "w", wait=500)))
    run.now += 10
    # When it is paused and resumed, nothing about its nodes changes
    run.pause()
    assert nodes(run) == []
    run.now += 10
    run.resume()
    assert nodes(run) == []


def test_what_was_held_is_told_when_it_goes_out() -> None:
    # Given a paused run in which a node was activated
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.pause()
    run.complete("a")
    assert nodes(run) == [("", "a", "completed"), ("", "b", "waiting")]
    # When it is resumed
    run.now += 10
    run.resume()
    assert nodes(run) == [("", "b", "dispatched")]


def polishing() -> Run:
    ways = ("draft->polish", edge("polish->ok", leave="break"))
    return Run(plan(task("draft"), looping(task("polish"), "draft", "output.again", 3), task("ok"), *ways))


def test_the_last_node_of_a_pass_is_told_in_that_pass_and_once() -> None:
    # Given a loop
    run = polishing()
    run.complete("polish[1]:draft", "one")
    assert nodes(run) == [("polish[1]", "draft", "completed"), ("polish[1]", "polish", "dispatched")]
    # When a pass ends, what it hands up is not told again
    run.complete("polish[1]:polish", {"again": True})
    assert nodes(run) == [("polish[1]", "polish", "completed"), ("polish[2]", "draft", "dispatched")]
    # Nor when the loop does
    run.complete("polish[2]:draft", "two")
    run.complete("polish[2]:polish", {"again": False})
    assert nodes(run) == [("polish[2]", "polish", "completed"), ("", "ok", "dispatched")]


def test_a_control_node_names_the_nodes_it_passes_on() -> None:
    run = Run(plan(task("a"), task("b"), control("join", "both"), task("z"), "a->both->z", "b->both"))
    run.complete("a", 1)
    told = shown(run.complete("b", 2))
    assert told["nodes"][1] == {"node": "both", "status": "completed", "attempt": 1, "output_of": ["a", "b"]}


def test_an_edit_is_told_with_its_operations_and_author() -> None:
    run = Run(plan(task("a")))
    operations = ({"op": "test", "path": "/name", "value": "x"},)
    patch = Patch(2, "p", "d", "b", by="ann", description="why", operations=operations)  # type: ignore[arg-type]
    change = Transition(RUN, 2, run.snapshot.head.tip, run.snapshot.head.created_at, "patch", patch=patch)
    told = shown(change)
    assert (told["type"], told["by"]) == ("patch", "ann")
    assert told["patch"] == {"revision": 2, "description": "why", "operations": [*operations]}
