"""`pointsman demo`: what `make demo` runs, whole, and what is left of it when it is interrupted."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer

from pointsman.cli.demo import Show, judge
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
    # And, in order: fan-out, join and branch, the patch, the loop, the retry, the added node
    shown = [
        "✔ receive  ▸ classify, sentiment, customer",
        "✔ assess  ⊘ queue (no live edge)  ▸ escalate",
        "node notify_slack added, revision 2",
        "✎ revision 2 by local",
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
    assert "The run is COMPLETED; notify_slack, added in revision 2 while it ran, is completed" in done.stdout
    assert "pointsman dev --worker examples/support-triage/worker.py" in done.stdout


def test_an_interrupted_demo_leaves_nothing_behind() -> None:
    # Given a demo in the middle of its run
    left_before = _directories()
    demo = subprocess.Popen(
        [*POINTSMAN, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONUNBUFFERED="1"),
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "▸ classify" in line:
            break
    processes = psutil.Process(demo.pid).children(recursive=True)
    assert len(processes) > 6
    # When it is interrupted
    demo.send_signal(signal.SIGINT)
    _, err = demo.communicate(timeout=30)
    # Then it says no more than that, and neither a process nor a directory is left
    assert (demo.returncode, err) == (130, "")
    eventually_sync(lambda: all(ended(process.pid) for process in processes))
    assert _directories() == left_before


@pytest.mark.parametrize(
    ("status", "nodes", "why"),
    [
        ("FAILED", {"notify_slack": {"status": "completed"}}, "The run is FAILED"),
        ("COMPLETED", {"notify_slack": {"status": "skipped"}}, "is skipped"),
        ("COMPLETED", {}, "is not in its graph"),
    ],
)
def test_a_demo_that_did_not_show_it_fails_and_says_why(
    status: str, nodes: dict[str, Any], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {"run_id": "run_1", "status": status, "workflow": "support-triage", "revision": 2, "nodes": nodes}
    with pytest.raises(typer.Exit) as ended_with:
        judge(run, Show(Output(as_json=True)), 10.0)
    written = capsys.readouterr()
    assert ended_with.value.exit_code == 1
    assert why in written.err
    assert json.loads(written.out) == {"passed": False, "seconds": 10.0, "added": "notify_slack", "run": run}


def _directories() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("pointsman-demo-*"))
