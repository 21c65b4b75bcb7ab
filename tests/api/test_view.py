"""The view of a run: a pure projection of snapshot and plan."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from orchestrator_api.view import MAX_COMPOSED, view_of
from pointsman.base.ids import Millis
from pointsman.plan import Retry
from pointsman.protocol.output import Output
from tests.support.driven import START, Run
from tests.support.plans import control, edge, looping, plan, task


def shown(run: Run) -> dict[str, Any]:
    """The view as a caller receives it."""
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view_of(run.snapshot, run.program.plan)))
    return told


def statuses(run: Run) -> dict[str, str]:
    return {node: told["status"] for node, told in shown(run)["nodes"].items()}


def test_a_run_is_shown_with_each_node_in_written_order() -> None:
    # Given a run whose first node completed
    run = Run(plan(task("a"), task("b"), "a->b"), {"n": 1})
    run.complete("a", {"x": 2})
    # Then everything about it is in the view
    assert shown(run) == {
        "run_id": "run_1",
        "workflow": "test",
        "version": None,
        "tag": None,
        "forked_from": None,
        "status": "RUNNING",
        "revision": 1,
        "seq": 2,
        "input": {"n": 1},
        "output": None,
        "error": None,
        "open_tokens": 1,
        "nodes": {
            "a": {
                "status": "completed",
                "attempt": 1,
                "frame": "",
                "output": {"x": 2},
                "error": None,
                "started_at": START,
                "ended_at": START,
            },
            "b": {
                "status": "dispatched",
                "attempt": 1,
                "frame": "",
                "output": None,
                "error": None,
                "started_at": START,
                "ended_at": None,
            },
        },
        "created_at": START,
        "started_at": START,
        "ended_at": None,
        "stuck": None,
        "waiting_for_worker": [],
    }
    assert list(shown(run)["nodes"]) == ["a", "b"]


def test_the_row_says_version_and_start_better_than_the_snapshot() -> None:
    run = Run(plan(task("a")))
    view = view_of(run.snapshot, run.program.plan, version=7, started_at=Millis(5))
    assert (view.version, view.started_at) == (7, 5)


def test_a_completed_run_shows_its_output_and_its_end() -> None:
    run = Run(plan(task("a")))
    run.complete("a", [1.0, {}])
    told = shown(run)
    assert (told["status"], told["output"], told["open_tokens"]) == ("COMPLETED", {"a": [1.0, {}]}, 0)
    assert told["ended_at"] == START


def test_what_waits_is_told_from_what_is_out() -> None:
    # Given a sleeping node, one that backs off and one behind both
    tries = task("tries", retry=Retry(max_attempts=2))
    run = Run(plan(tries, control("wait", "naps", wait=50), task("last"), "tries->last", "naps->last"))
    run.fail("tries", "http", "503")
    # Then the sleeper runs, and the others wait, one of them with its last error
    assert statuses(run) == {"tries": "waiting", "naps": "running", "last": "waiting"}
    assert shown(run)["nodes"]["tries"]["error"] == {"type": "http", "message": "503"}
    assert shown(run)["nodes"]["tries"]["attempt"] == 2


def test_a_parked_node_is_shown_as_failed_while_the_run_is_open() -> None:
    run = Run(plan(task("a"), failure_policy="park"))
    run.fail("a")
    assert (statuses(run), shown(run)["status"]) == ({"a": "failed"}, "RUNNING")


def test_a_branch_not_taken_is_shown_as_skipped() -> None:
    run = Run(plan(task("a"), task("b"), task("c"), edge("a->b", "output.x > 1"), edge("a->c")))
    run.complete("a", {"x": 1})
    assert statuses(run) == {"a": "completed", "b": "skipped", "c": "dispatched"}


def test_nodes_a_final_run_never_reached_are_cancelled() -> None:
    # Given a run with one node out and one behind it
    run = Run(plan(task("a"), task("b"), "a->b"))
    # When it is cancelled
    run.cancel("enough")
    # Then neither is shown as if it could still go on
    assert statuses(run) == {"a": "cancelled", "b": "cancelled"}
    assert shown(run)["error"] == {"type": "cancelled", "message": "enough"}


def test_a_failed_node_shows_its_error_and_no_output() -> None:
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.fail("a", "boom", "it broke")
    node = shown(run)["nodes"]["a"]
    assert (node["status"], node["error"], node["output"]) == ("failed", {"type": "boom", "message": "it broke"}, None)


def polishing() -> Run:
    ways = ("draft->polish", edge("polish->ok", leave="break"))
    return Run(plan(task("draft"), looping(task("polish"), "draft", "output.again", 3), task("ok"), *ways))


def test_inside_an_open_loop_nodes_are_shown_in_the_pass_that_runs() -> None:
    # Given a loop in its second pass, whose second node it has not reached yet
    run = polishing()
    run.complete("polish[1]:draft", "one")
    run.complete("polish[1]:polish", {"again": True})
    nodes = shown(run)["nodes"]
    # Then it is not taken for the one of the pass before
    assert [(nodes[name]["status"], nodes[name]["frame"]) for name in nodes] == [
        ("dispatched", "polish[2]"),
        ("waiting", "polish[2]"),
        ("waiting", ""),
    ]


def test_after_a_loop_its_nodes_show_what_the_last_pass_left() -> None:
    run = polishing()
    for number, again in ((1, True), (2, False)):
        run.complete(f"polish[{number}]:draft", number)
        run.complete(f"polish[{number}]:polish", {"again": again})
    nodes = shown(run)["nodes"]
    assert [(nodes[name]["status"], nodes[name]["output"]) for name in nodes] == [
        ("completed", 2),
        ("completed", {"again": False}),
        ("dispatched", None),
    ]


def test_a_loop_inside_a_loop_is_shown_in_its_innermost_pass() -> None:
    # Given a loop around a loop, both in a later pass
    inner = looping(task("inner"), "work", "output.again", 3)
    outer = looping(task("outer"), "work", "output.again", 3)
    run = Run(plan(task("work"), inner, outer, "work->inner", edge("inner->outer", leave="break")))
    run.complete("outer[1]/inner[1]:work")
    run.complete("outer[1]/inner[1]:inner", {"again": False})
    run.complete("outer[1]:outer", {"again": True})
    run.complete("outer[2]/inner[1]:work")
    run.complete("outer[2]/inner[1]:inner", {"again": True})
    # Then each node stands in the innermost pass around it that is open
    frames = {name: node["frame"] for name, node in shown(run)["nodes"].items()}
    assert frames == {"work": "outer[2]/inner[2]", "inner": "outer[2]/inner[2]", "outer": "outer[2]"}


def test_control_nodes_show_the_outputs_they_pass_on() -> None:
    # Given a fork, a join of both its branches, and another control node behind that
    nodes = (control("parallel", "fork"), task("a"), task("b"), control("join", "both"), control("parallel", "on"))
    run = Run(plan(*nodes, task("z"), "fork->a", "fork->b", "a->both", "b->both", "both->on->z"), {"in": 1})
    run.complete("a", "A")
    run.complete("b")
    outputs = {name: node["output"] for name, node in shown(run)["nodes"].items()}
    both = {"a": "A", "b": None}
    assert outputs == {"fork": {"in": 1}, "a": "A", "b": None, "both": both, "on": both, "z": None}


def test_an_error_that_was_handled_is_what_is_passed_on() -> None:
    run = Run(plan(task("a"), control("parallel", "p"), task("b"), edge("a->p", on="error"), "p->b"))
    run.fail("a", "boom", "it broke")
    assert shown(run)["nodes"]["p"]["output"] == {"error": {"type": "boom", "message": "it broke"}}


def test_outputs_elsewhere_are_shown_as_references() -> None:
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.complete("a", ref="blob://" + "0" * 64)
    assert shown(run)["nodes"]["a"]["output"] == {"$ref": "blob://" + "0" * 64}


def test_a_very_long_chain_of_control_nodes_is_shown_without_recursion() -> None:
    # Given more control nodes in a row than Python lets functions call each other
    names = [f"p{number}" for number in range(3_000)]
    made = plan(task("a"), *(control("parallel", name) for name in names), "->".join(["a", *names]))
    run = Run(plan(task("a")))
    run.complete("a", "A")
    before = run.snapshot.results[next(iter(run.snapshot.results))]
    for source, name in zip(["a", *names], names, strict=False):
        passed = msgspec.structs.replace(before, output=Output(), of=(f":{source}",))
        run.snapshot.results[f":{name}"] = passed  # type: ignore[index]
    assert view_of(run.snapshot, made).nodes["p2999"].output == msgspec.Raw(b'"A"')  # type: ignore[index]


def test_an_output_put_together_is_named_where_it_would_be_huge() -> None:
    # Given a join of two outputs that are large together
    run = Run(plan(task("a"), task("b"), control("join", "both"), task("z"), "a->both->z", "b->both"))
    run.complete("a", "A" * MAX_COMPOSED)
    run.complete("b", "B")
    assert shown(run)["nodes"]["both"]["output"] == {"$of": ["a", "b"]}


@pytest.mark.parametrize(
    ("sent", "told"), [(b'"\xff"', '"�"'), (b"12345678901234567890123", "12345678901234567890123")]
)
def test_what_workers_sent_goes_out_as_json_whatever_it_was(sent: bytes, told: str) -> None:
    run = Run(plan(task("a"), task("b"), "a->b"))
    run.complete("a", msgspec.Raw(b"0"))
    result = run.snapshot.results[next(iter(run.snapshot.results))]
    run.snapshot.results[next(iter(run.snapshot.results))] = msgspec.structs.replace(
        result, output=Output(msgspec.Raw(sent))
    )
    view = view_of(run.snapshot, run.program.plan)
    assert bytes(next(iter(view.nodes.values())).output).decode() == told
