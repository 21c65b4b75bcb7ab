"""`pointsman demo`: what `make demo` runs, whole, and what is left of it when it is interrupted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
import typer

from pointsman.base.errors import PointsmanError
from pointsman.cli.client import Api
from pointsman.cli.demo import EXAMPLE, Show, judge
from pointsman.cli.demo_edits import DemoEdits
from pointsman.cli.exits import Answered
from pointsman.cli.live import Watching
from pointsman.cli.output import Output
from tests.cli.conftest import POINTSMAN, clean_environment, ended
from tests.support.waiting import eventually_sync


def test_the_demo_shows_a_run_that_is_changed_while_it_runs() -> None:
    # When the demo is run where there is no terminal
    done = subprocess.run(
        [*POINTSMAN, "demo"], capture_output=True, text=True, env=clean_environment(), check=False, timeout=120
    )
    # Then it ends well
    assert (done.returncode, done.stderr) == (0, "")
    sections = dict(re.findall(r"^── (.*?)\n(.*?)(?=^──|\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    before, timeline, after = [text for title, text in sections.items() if "Redis" not in title][:3]
    # And shows the graph before, without the node that is to be added
    assert "○ receive" in before
    assert "notify_slack" not in before
    # And, in order: fan-out, join and branch, preview and patch, an edit that is refused and one that is taken back,
    # the loop, the retry, the added node
    shown = [
        "✔ receive  ▸ classify, sentiment, customer",
        "✔ assess  ⊘ queue (no live edge)  ▸ escalate",
        "?dry_run=true would change:",
        "✚ edge send_reply → notify_slack",
        "Nothing would fire",
        "node notify_slack added, revision 2",
        "✎ revision 2 by local",
        "insert review before draft, which is running",
        "EDT021",
        "it would wait for `review`",
        "insert survey before close, revision 3",
        "taken back, revision 4",
        "↺ score pass 2",
        "↻ send_reply failed with mail_busy, again in 500 ms",
        "▸ send_reply #2",
        "✔ send_reply #2  ▸ close, notify_slack",
        "COMPLETED",
    ]
    places = [timeline.find(text) for text in shown]
    assert places == sorted(places)
    assert -1 not in places
    # And the graph after it, with that node done
    assert "✔ ✚notify_slack" in after
    assert "survey" not in after
    assert "The run is COMPLETED; notify_slack, added while it ran, is completed" in done.stdout
    assert "pointsman dev --worker examples/support-triage/worker.py" in done.stdout


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    # Given a demo in the middle of its run
    demo = subprocess.Popen(
        [*POINTSMAN, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONUNBUFFERED="1", TMPDIR=str(tmp_path)),
        preexec_fn=_heed_interrupts,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "▸ classify" in line:
            break
    processes = psutil.Process(demo.pid).children(recursive=True)
    assert len(processes) > 6
    assert list(tmp_path.iterdir())
    # When it is interrupted
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=30)
    # Then it says no more than that, and neither a process nor a directory is left
    assert (demo.returncode, err) == (130, "")
    eventually_sync(lambda: all(ended(process.pid) for process in processes))
    assert not list(tmp_path.iterdir())


def _heed_interrupts() -> None:
    """A shell's background job ignores SIGINT, and so would what it starts; a terminal's does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


RUN: dict[str, Any] = {
    "run_id": "run_1",
    "status": "COMPLETED",
    "workflow": "support-triage",
    "revision": 4,
    "nodes": {"notify_slack": {"status": "completed"}},
}
OPERATIONS = json.loads((EXAMPLE / "add-notification.json").read_bytes())
PREVIEW: dict[str, Any] = {
    "base_revision": 1,
    "revision": 2,
    "difference": {},
    "effect": {},
    "plan_hash": "abc",
}
ASSESSED = {"nodes": [{"node": "assess", "status": "completed"}]}
DRAFTING = {"nodes": [{"node": "draft", "status": "dispatched"}]}


class Answers:
    """An API that gives the answers of a test, in order."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def answer(self, *_: Any, **__: Any) -> Any:
        """The next answer."""
        told = self._answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return told

    get = post = patch = answer


def edits_of(*answers: Any) -> DemoEdits:
    """Edits that were answered so, at both of their moments."""
    edits = DemoEdits(cast(Api, Answers(*answers)), OPERATIONS, lambda *_: None)
    watching = cast(Watching, SimpleNamespace(progress=SimpleNamespace(run_id="run_1")))
    for event in (ASSESSED, DRAFTING):
        edits(event, watching)
    return edits


AT_1, AT_2 = {"revision": 1}, {"revision": 2}
EDITED = (PREVIEW, AT_1, AT_2)
REFUSED = (AT_2, Answered(PointsmanError("EDT021", "it would wait"), 409), AT_2)
REVERTED: tuple[Any, ...] = ({"revision": 3}, {"revision": 4}, {"difference": {}})


def test_edits_that_went_as_they_should_leave_nothing_to_say() -> None:
    assert edits_of(*EDITED, *REFUSED, *REVERTED).wrong(RUN) == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((PREVIEW, AT_2, AT_2, *REFUSED, *REVERTED), "the preview changed the run"),
        (
            (PREVIEW, AT_1, {"revision": 3}, *REFUSED, *REVERTED),
            "the edit made another revision than the one previewed",
        ),
        ((*EDITED, AT_2, AT_2, AT_2, *REVERTED), "an edit into a running node was taken"),
        ((*EDITED, *REFUSED[:2], AT_1, *REVERTED), "the edit that was refused changed the run"),
        (
            (*EDITED, *REFUSED, *REVERTED[:2], {"difference": {"nodes_removed": [{"id": "a", "kind": "task"}]}}),
            "the edit that was taken back has left something behind",
        ),
        (
            (*EDITED, AT_2, Answered(PointsmanError("API006", "no"), 422), AT_2, *REVERTED),
            "an edit into a running node was answered with 422",
        ),
        (
            (Answered(PointsmanError("EDT030", "it changed."), 409), *REFUSED, *REVERTED),
            "an edit was not taken: EDT030 it changed.",
        ),
    ],
)
def test_an_edit_that_went_otherwise_is_told(answers: tuple[Any, ...], why: str) -> None:
    assert edits_of(*answers).wrong(RUN) == [why]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "FAILED"}, "the run is FAILED"),
        ({"nodes": {"notify_slack": {"status": "skipped"}}}, "notify_slack, added while it ran, is skipped"),
        ({"nodes": {}}, "notify_slack, added while it ran, is not in its graph"),
        ({"nodes": RUN["nodes"] | {"survey": {"status": "completed"}}}, "survey is in its graph"),
        ({"revision": 2}, "the run is at revision 2, and three edits make it 4"),
    ],
)
def test_a_demo_that_did_not_show_it_fails_and_says_why(
    changes: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RUN | changes
    with pytest.raises(typer.Exit) as ended_with:
        judge(run, edits_of(*EDITED, *REFUSED, *REVERTED), Show(Output(as_json=True)), 10.0)
    written = capsys.readouterr()
    assert ended_with.value.exit_code == 1
    assert why in written.err
    told = {"passed": False, "wrong": [why], "seconds": 10.0, "added": "notify_slack", "run": run}
    assert json.loads(written.out) == told


def test_a_demo_whose_moments_never_came_says_so() -> None:
    edits = DemoEdits(cast(Api, Answers()), OPERATIONS, lambda *_: None)
    assert edits.wrong(RUN) == ["`assess` was never completed", "`draft` was never dispatched"]
