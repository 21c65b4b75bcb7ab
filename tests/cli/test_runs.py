"""The commands about runs, against a real API: what they print, what they answer as JSON, how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.cli.conftest import Said, run_id_of
from tests.support.waiting import eventually_sync

Call = Callable[..., Said]
GREETING = {
    "name": "greeting",
    "nodes": [
        {"id": "greet", "type": "cli_test", "config": {"handler": "pass", "gives": "hello ${ input.name }"}},
        {"id": "again", "type": "cli_test", "config": {"handler": "second_time"}, "retry": {"backoff_ms": 1}},
    ],
    "edges": [{"from": "greet", "to": "again"}],
    "metadata": {"output": "ctx.greet.output"},
}
WAITING = {"name": "patient", "nodes": [{"id": "wait_for_it", "type": "nobody"}], "edges": []}
FAILING = {"name": "hopeless", "nodes": [{"id": "try", "type": "cli_test", "config": {"handler": "fail"}}]}


def start(cli: Call, definition: dict[str, Any], *arguments: str) -> str:
    """Start a run; its id."""
    return run_id_of(cli("run", "-", "--json", *arguments, stdin=json.dumps(definition)))


def started(cli: Call, definition: dict[str, Any]) -> str:
    """Start a run and wait until it is on its way."""
    run = start(cli, definition)
    eventually_sync(lambda: cli("show", run, "--json").json["status"] == "RUNNING")
    return run


def test_a_run_that_is_waited_for_shows_its_timeline_and_output(cli: Call, tmp_path: Path) -> None:
    # Given a definition and an input, each in a file
    (tmp_path / "greeting.json").write_text(json.dumps(GREETING))
    (tmp_path / "input.json").write_text('{"name": "Ann"}')
    # When it is run and waited for
    said = cli("run", str(tmp_path / "greeting.json"), "--input", f"@{tmp_path / 'input.json'}", "--wait")
    # Then there is a line for each event, and the output
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line[10:] for line in lines[:-2]] == [
        "start  ▸ greet  RUNNING",
        "✔ greet  ▸ again",
        "↻ again failed with Busy, again in 1 ms",
        "▸ again #2",
        "✔ again #2  COMPLETED",
    ]
    assert " COMPLETED  greeting, revision 1, " in lines[-2]
    assert lines[-1] == '  "hello Ann"'


def test_a_run_as_json_is_one_document_at_the_end(cli: Call) -> None:
    said = cli("run", "-", "--input", '{"name": "Bo"}', "--wait", "--json", stdin=json.dumps(GREETING))
    assert (said.code, said.json["status"], said.json["output"]) == (0, "COMPLETED", "hello Bo")
    assert "✔ greet" in said.err


def test_a_run_that_fails_ends_the_command_with_one(cli: Call) -> None:
    said = cli("run", "-", "--wait", stdin=json.dumps(FAILING))
    assert said.code == 1
    assert "✘ try Impossible: it cannot be done" in said.out
    assert " FAILED  hopeless" in said.out


def test_a_run_that_is_not_waited_for_is_named(cli: Call) -> None:
    name = f"run-{uuid4().hex}"
    said = cli("run", "-", "--run-id", name, stdin=json.dumps(WAITING))
    assert (said.code, said.out) == (0, f"{name} started; see it with: pointsman watch {name}\n")


def test_the_same_key_answers_the_same_run(cli: Call) -> None:
    key = uuid4().hex
    first, second = (start(cli, WAITING, "--idempotency-key", key) for _ in range(2))
    assert first == second


def test_a_workflow_that_is_not_stored_is_not_found(cli: Call) -> None:
    said = cli("run", "no-such-workflow")
    assert (said.code, said.out) == (4, "")
    assert "there is no workflow `no-such-workflow`" in said.err


def test_a_bad_definition_is_refused_before_it_is_sent(cli: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("nodes: [{id: a, type: function}]\nedges: [{from: a, to: b}]\n")
    said = cli("run", str(tmp_path / "bad.yaml"))
    assert (said.code, said.out) == (3, "")
    assert "CMP004 /edges/0/to (line 2): there is no node `b`." in said.err


def test_input_that_is_no_json_is_a_mistake_of_usage(cli: Call) -> None:
    said = cli("run", "greeting", "--input", "{name: Ann}")
    assert (said.code, said.out) == (2, "")
    assert "is not JSON" in said.err


def test_runs_are_listed_by_status_and_workflow(cli: Call) -> None:
    run = started(cli, WAITING)
    cli("cancel", run)
    eventually_sync(lambda: run in cli("runs", "--workflow", "patient", "--status", "cancelled").out)
    found = cli("runs", "--workflow", "patient", "--status", "CANCELLED", "--limit", "1", "--json").json["runs"]
    assert [(each["workflow"], each["status"]) for each in found] == [("patient", "CANCELLED")]
    assert cli("runs", "--workflow", "nothing-of-that-name").out.split() == [
        "run",
        "workflow",
        "status",
        "created",
        "took",
    ]


def test_a_run_is_shown_as_picture_table_and_status(cli: Call) -> None:
    run = start(cli, GREETING, "--input", '{"name": "Cy"}')
    cli("watch", run)
    shown = cli("show", run).out
    assert shown.startswith("   ✔ greet\n      │\n ✔ again #2\n")
    assert "✔ completed        1" in shown
    assert '"hello Cy"' in shown
    assert f"{run} COMPLETED" in shown


def test_a_run_is_paused_resumed_and_cancelled(cli: Call) -> None:
    run = started(cli, WAITING)
    assert cli("pause", run).out == f"{run} PAUSED\n"
    assert cli("resume", run, "--json").json["status"] == "RUNNING"
    assert cli("cancel", run).out == f"{run} CANCELLED\n"
    refused = cli("cancel", run, "--json")
    assert (refused.code, refused.json["error"]["code"]) == (5, "RUN004")


def test_every_command_about_a_run_knows_when_there_is_none(cli: Call, tmp_path: Path) -> None:
    (tmp_path / "ops.json").write_text("[]")
    for command in (["show"], ["watch"], ["pause"], ["resume"], ["cancel"]):
        said = cli(*command, "no-such-run", "--json")
        assert (command, said.code, said.json["error"]["code"]) == (command, 4, "RUN005")
    assert cli("patch", "no-such-run", str(tmp_path / "ops.json")).code == 4


def test_a_running_run_is_patched_from_a_file(cli: Call, tmp_path: Path) -> None:
    # Given a run that waits, and operations that add a node behind what it waits for
    run = started(cli, WAITING)
    operations = [
        {"op": "add", "path": "/nodes/-", "value": {"id": "then", "type": "nobody"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "wait_for_it", "to": "then"}},
    ]
    (tmp_path / "ops.json").write_text(json.dumps(operations))
    # When it is patched
    said = cli("patch", run, str(tmp_path / "ops.json"), "--description", "one more step")
    # Then it has a new revision, with the node in it
    assert (said.code, said.out, said.err) == (0, f"{run} is at revision 2\n", "")
    assert "then" in cli("show", run, "--json").json["nodes"]
    # And the same again is refused, with the place
    again = cli("patch", run, "-", "--json", stdin=json.dumps({"operations": operations}))
    assert again.code in (3, 5)
    assert again.json["error"]["errors"][0]["pointer"].startswith("/")
    cli("cancel", run)


def test_watch_as_json_is_one_event_a_line(cli: Call) -> None:
    run = start(cli, GREETING, "--input", '{"name": "Di"}')
    said = cli("watch", run, "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["status"]) == ("start", "COMPLETED")
