"""The commands about fleets, against a real API: looked at first, a canary, then all; what stops, and what is said."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.cli.conftest import Dev, run_id_of
from tests.cli.test_runs import Call

ADD = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "then", "type": "nobody"}},
    {"op": "add", "path": "/edges/-", "value": {"from": "last", "to": "then"}},
]
FALSE = [{"op": "test", "path": "/name", "value": "another"}]


@pytest.fixture
def workflow(dev: Dev, cli: Call) -> str:
    """A workflow with five open runs."""
    name = f"fleet-{uuid4().hex[:8]}"
    nodes = [{"id": "first", "type": "nobody"}, {"id": "last", "type": "nobody"}]
    body = {"name": name, "nodes": nodes, "edges": [{"from": "first", "to": "last"}]}
    assert httpx.post(f"{dev.facts.api_url}/api/v1/workflows", json=body).json()["version"] == 1
    for _ in range(5):
        run_id_of(cli("run", name, "--json"))
    return name


def test_an_edit_is_counted_first_then_given_to_some_then_to_all(cli: Call, workflow: str, tmp_path: Path) -> None:
    # Given an edit, and a run that has had it already
    ops = tmp_path / "ops.json"
    ops.write_text(json.dumps(ADD))
    runs = [run["run_id"] for run in cli("runs", "--workflow", workflow, "--json").json["runs"]]
    assert cli("patch", runs[0], str(ops)).code == 0
    # When it is looked at
    told = cli("fleet", "edit", f"{workflow}@1", str(ops), "--dry-run", "--canary", "40", "--stop-on-error-share", "1")
    # Then it is said how many would take it, and why the others would not; nothing was changed
    assert told.code == 0, told
    lines = told.out.splitlines()
    assert lines[0] == f"The edit would go to 2 of 5 open runs of {workflow}@1 before it waits; nothing was changed."
    assert lines[1] == "If it went to all: 4 applied, 1 refused"
    assert lines[4].split()[:3] == ["CMP003", "1", runs[0]]
    assert [cli("show", run, "--json").json["revision"] for run in runs] == [2, 1, 1, 1, 1]
    # When it is begun as the preview says, and seen through
    begun = cli(*shlex.split(lines[-1].removeprefix("To begin: pointsman ")), "--json").json
    edit = begun["id"]
    waits = cli("fleet", "watch", workflow, edit)
    # Then it waits behind its canary, and goes on when it is told to
    assert waits.code == 0, waits
    assert waits.out.startswith(f"edit {edit} is waiting: 2 of 5 open runs of {workflow}@1\n")
    assert waits.out.endswith(f"the canary is done; go on with: pointsman fleet resume {workflow} {edit}\n")
    assert cli("fleet", "resume", workflow, edit).code == 0
    assert cli("fleet", "watch", workflow, edit, "--json").json["status"] == "completed"
    # And what became of it is told run by run
    shown = cli("fleet", "show", workflow, edit)
    assert shown.out.splitlines()[:2] == [
        f"edit {edit} is completed: 5 of 5 open runs of {workflow}@1",
        "4 applied, 1 refused",
    ]
    assert sorted(line.split()[:3] for line in shown.out.splitlines() if line.startswith("run_")) == sorted(
        [run, "refused", "CMP003"] if run == runs[0] else [run, "applied", "2"] for run in runs
    )
    refused = cli("fleet", "show", workflow, edit, "--state", "refused", "--json").json
    assert [item["run_id"] for item in refused["items"]] == [runs[0]]


def test_an_edit_that_too_many_runs_refuse_stops_and_can_be_cancelled(cli: Call, workflow: str) -> None:
    # Given an edit that no run can take
    words = ("fleet", "edit", f"{workflow}@1", "-", "--stop-on-error-share", "0.2", "--rate", "100")
    begun = cli(*words, stdin=json.dumps(FALSE))
    assert begun.out.splitlines()[-1].startswith(f"see it with: pointsman fleet watch {workflow} ")
    edit = begun.out.split()[1]
    # When it is watched
    watched = cli("fleet", "watch", workflow, edit)
    # Then it has stopped, which is a failure, and says where the reasons are
    assert watched.code == 1, watched
    assert watched.out.splitlines()[0].startswith(f"edit {edit} is stopped: ")
    assert watched.out.splitlines()[-1].endswith(f"pointsman fleet show {workflow} {edit} --state refused")
    assert "EDT007" in cli("fleet", "show", workflow, edit, "--state", "refused").out
    # And it can be given up, once
    assert cli("fleet", "cancel", workflow, edit, "--json").json["status"] == "cancelled"
    assert cli("fleet", "resume", workflow, edit, "--json").json["error"]["code"] == "API061"


def test_a_run_with_its_edits_becomes_a_version(cli: Call, workflow: str) -> None:
    run = cli("runs", "--workflow", workflow, "--json").json["runs"][0]["run_id"]
    assert cli("patch", run, "-", stdin=json.dumps(ADD)).code == 0
    assert cli("promote", run, "--description", "one more").out == f"revision 2 of {run} is {workflow}@2\n"
    # A second time finds the version that is this very definition.
    assert cli("promote", run, "--json").json["version"] == 2


def test_a_fleet_is_the_runs_of_one_version(cli: Call, workflow: str) -> None:
    for name in (workflow, f"{workflow}@prod"):
        assert cli("fleet", "edit", name, "-", stdin=json.dumps(ADD)).code == 2
    unknown = cli("fleet", "edit", f"{workflow}@7", "-", "--json", stdin=json.dumps(ADD))
    assert (unknown.code, unknown.json["error"]["code"]) == (4, "API010")
    assert cli("fleet", "show", workflow, "fe_nothing", "--json").code in (2, 4)
