"""Progress and timeline: what a person is told of a run, from its events alone."""

from __future__ import annotations

from typing import Any

from pointsman.cli.picture import Label
from pointsman.cli.progress import Progress
from pointsman.cli.timeline import line
from pointsman.plan import Retry
from tests.support.plans import looping, task

EVENTS: list[dict[str, Any]] = [
    {
        "seq": 1,
        "at": 1_000,
        "type": "start",
        "status": "RUNNING",
        "nodes": [{"node": "draft", "status": "dispatched", "frame": "score[1]", "attempt": 1, "type": "function"}],
    },
    {
        "seq": 2,
        "at": 1_250,
        "type": "failed",
        "nodes": [
            {
                "node": "draft",
                "status": "waiting",
                "frame": "score[1]",
                "attempt": 2,
                "reason": "backing_off",
                "error": {"type": "Busy"},
            }
        ],
        "notes": [{"kind": "node_retrying", "node": "draft", "detail": {"error": "Busy", "delay_ms": 100}}],
    },
    {
        "seq": 3,
        "at": 1_400,
        "type": "patch",
        "by": "ann",
        "patch": {
            "revision": 2,
            "description": "tell the customer",
            "operations": [
                {"op": "add", "path": "/nodes/-", "value": {"id": "tell", "type": "function"}},
                {"op": "add", "path": "/edges/-", "value": {"from": "score", "to": "tell"}},
            ],
        },
    },
    {
        "seq": 4,
        "at": 2_000,
        "type": "completed",
        "nodes": [
            {"node": "draft", "status": "completed", "frame": "score[2]", "attempt": 2},
            {"node": "other", "status": "skipped", "reason": "no_branch"},
            {"node": "tell", "status": "failed", "error": {"type": "Impossible", "message": "it cannot\nbe done"}},
        ],
        "notes": [{"kind": "pass_started", "node": "score", "detail": 2}],
        "status": "FAILED",
        "error": {"type": "node_failed", "message": "tell failed"},
    },
]


def progress_after(count: int) -> Progress:
    progress = Progress("run_1")
    for event in EVENTS[:count]:
        progress.take(event)
    return progress


def test_each_event_is_one_line_with_its_time() -> None:
    assert [line(event, 1_000).plain for event in EVENTS] == [
        "   0.000  start  ▸ draft ↺1  RUNNING",
        "   0.250  ↻ draft failed with Busy, again in 100 ms",
        "   0.400  ✎ revision 2 by ann: tell the customer",
        "   1.000  ✔ draft ↺2 #2  ⊘ other (no branch)  ✘ tell Impossible: it cannot be done  ↺ score pass 2  FAILED  "
        "node_failed: tell failed",
    ]


def test_the_events_so_far_say_how_each_node_is() -> None:
    waiting, failed = progress_after(2), progress_after(4)
    assert (waiting.status, waiting.node("draft").status, waiting.node("tell").status) == (
        "RUNNING",
        "backing_off",
        "waiting",
    )
    assert (failed.status, failed.revision, failed.is_final, failed.ended_nodes) == ("FAILED", 2, True, 3)
    assert failed.passes == {"score": 2}
    assert failed.node("never_begun").status == "cancelled"


def test_nodes_that_a_patch_added_are_marked() -> None:
    progress = progress_after(3)
    assert progress.added == {"tell"}
    assert progress.label(task("tell")) == Label("○ ✚tell", "dim", 7)


def test_a_label_shows_passes_and_attempts_and_keeps_room_for_them() -> None:
    progress = progress_after(4)
    draft = progress.label(task("draft", retry=Retry(max_attempts=3)))
    assert draft == Label("✔ draft #2", "green", len("✔ draft #2"))
    score = looping(task("score"), "draft", "true", most=3)
    assert Progress("run_1").label(score) == Label("○ score ↺", "dim", len("○ score ↺3/3"))
    assert progress.label(score).text == "⊗ score ↺2/3"


def test_a_run_as_the_api_shows_it_is_progress_too() -> None:
    node = {"status": "dispatched", "attempt": 1, "frame": "score[2]"}
    progress = Progress.of_view({"run_id": "run_1", "status": "RUNNING", "revision": 3, "nodes": {"draft": node}})
    assert (progress.status, progress.revision, progress.passes) == ("RUNNING", 3, {"score": 2})
    assert progress.node("draft").status == "dispatched"


def test_a_new_pass_lets_the_nodes_of_its_loop_wait_again() -> None:
    # Given a pass in which both nodes of a loop have ended
    progress = Progress("run_1")
    for name in ("draft", "score"):
        progress.take({"at": 1, "nodes": [{"node": name, "status": "completed", "frame": "score[1]"}]})
    # When the next pass begins with the first of them
    begun = {"node": "draft", "status": "dispatched", "frame": "score[2]", "attempt": 1}
    progress.take({"at": 2, "nodes": [begun], "notes": [{"kind": "pass_started", "node": "score", "detail": 2}]})
    # Then the other one waits
    assert (progress.node("draft").status, progress.node("score").status) == ("dispatched", "waiting")
