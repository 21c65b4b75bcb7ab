"""The commands that edit a run, against a real API: previewed, committed, refused, listed, taken back, compared."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Said
from tests.cli.test_runs import Call, started
from tests.support.waiting import eventually_sync

CHAIN = {
    "name": "chain",
    "nodes": [{"id": "first", "type": "nobody"}, {"id": "last", "type": "nobody"}],
    "edges": [{"from": "first", "to": "last"}],
}
ADD = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "then", "type": "nobody"}},
    {"op": "add", "path": "/edges/-", "value": {"from": "last", "to": "then"}},
]
BETWEEN = {"pattern": "insert_between", "from": "first", "to": "last", "node": {"id": "mid", "type": "nobody"}}
HELD = CHAIN | {
    "nodes": [{"id": "first", "type": "cli_test", "config": {"handler": "hold"}}, {"id": "last", "type": "nobody"}]
}
REMOVE_RUNNING = [{"op": "remove", "path": "/edges/first->last"}, {"op": "remove", "path": "/nodes/first"}]


@pytest.fixture
def run(cli: Call) -> Iterator[str]:
    """A run whose first node waits for a worker that never comes."""
    made = started(cli, CHAIN)
    yield made
    cli("cancel", made)


def revision(cli: Call, run: str) -> int:
    """The revision that a run is at."""
    return int(cli("show", run, "--json").json["revision"])


def nodes(cli: Call, run: str) -> set[str]:
    """The nodes that a run has."""
    return set(cli("show", run, "--json").json["nodes"])


def test_a_preview_changes_nothing_and_names_the_command_that_commits_it(cli: Call, run: str, tmp_path: Path) -> None:
    # Given operations in a file
    file = tmp_path / "ops.json"
    file.write_text(json.dumps(ADD))
    # When they are previewed
    said = cli("patch", run, str(file), "--dry-run", "--description", "one more step")
    # Then graph and effect are shown, and nothing is changed
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("before:\n  first\n    │\n  last\nafter:\n")
    assert " ✚ then\n" in said.out
    assert "✚ edge last → then\n" in said.out
    assert f"{run} would go from revision 1 to 2; nothing was changed.\n" in said.out
    assert revision(cli, run) == 1
    # And the command at its end commits it
    command = said.out.splitlines()[-1].removeprefix("To commit just this: ")
    name, *words = shlex.split(command)
    assert (name, words[:3]) == ("pointsman", ["patch", run, str(file)])
    assert cli(*words).out == f"{run} is at revision 2\n"
    assert cli("patches", run, "--json").json["taken"][0]["description"] == "one more step"


def test_a_commit_of_another_plan_than_the_one_previewed_is_refused(cli: Call, run: str) -> None:
    # Given a preview, and another edit since
    preview = cli("patch", run, "-", "--dry-run", "--json", stdin=json.dumps(ADD)).json
    assert cli("edit", run, "-", stdin=json.dumps(BETWEEN)).code == 0
    # When what was previewed is committed
    said = cli("patch", run, "-", "--plan-hash", preview["plan_hash"], "--json", stdin=json.dumps(ADD))
    # Then it is refused, and nothing is changed
    assert (said.code, said.json["error"]["code"]) == (5, "EDT030")
    assert nodes(cli, run) == {"first", "mid", "last"}


def test_a_pattern_is_previewed_and_becomes_operations(cli: Call, run: str) -> None:
    previewed = cli("edit", run, "-", "--dry-run", stdin=json.dumps(BETWEEN))
    assert "before:\n" in previewed.out
    assert "✖ edge first → last" in previewed.out
    done = cli("edit", run, "-", "--json", stdin=json.dumps(BETWEEN))
    assert (done.code, done.json["revision"]) == (0, 2)
    assert {operation["op"] for operation in done.json["operations"]} >= {"add"}
    assert nodes(cli, run) == {"first", "mid", "last"}


def test_what_would_take_a_task_from_a_worker_is_refused_unless_it_may_be_cancelled(cli: Call) -> None:
    # Given a run with a task that a worker has
    run = started(cli, HELD)
    eventually_sync(lambda: cli("show", run, "--json").json["nodes"]["first"]["status"] == "running")
    # When an edit would take it away
    said = cli("patch", run, "-", "--json", stdin=json.dumps(REMOVE_RUNNING))
    # Then it is refused with the story, and nothing is changed
    assert (said.code, said.json["error"]["code"]) == (5, "EDT021")
    assert "node `first` is running" in said.err
    assert nodes(cli, run) == {"first", "last"}
    # And it is taken where the task may be cancelled, as its preview says
    words = ("patch", run, "-", "--on-running", "cancel")
    previewed = cli(*words, "--dry-run", stdin=json.dumps(REMOVE_RUNNING)).out
    assert "would be cancelled: first\n" in previewed
    assert f"pointsman patch {run} - --on-running cancel --plan-hash " in previewed
    assert cli(*words, stdin=json.dumps(REMOVE_RUNNING)).out == f"{run} is at revision 2\n"
    cli("cancel", run)


def test_an_edit_is_taken_back_and_what_differs_is_shown(cli: Call, run: str) -> None:
    # Given two edits
    for body, command in ((ADD, "patch"), (BETWEEN, "edit")):
        assert cli(command, run, "-", stdin=json.dumps(body)).code == 0
    # When the first is previewed as taken back, then taken back
    previewed = cli("revert", run, "2", "--dry-run")
    assert "✖ node then" in previewed.out
    assert f"pointsman revert {run} 2 --plan-hash " in previewed.out
    assert cli("revert", run, "2").out == f"{run} is at revision 4\n"
    # Then only the second is left, and the revisions can be compared
    assert nodes(cli, run) == {"first", "mid", "last"}
    assert _marks(cli("diff", run)) == ["✚ node mid", "✚ edge first → mid", "✚ edge mid → last", "✖ edge first → last"]
    assert _marks(cli("diff", run, "--from", "3", "--to", "4")) == ["✖ node then", "✖ edge last → then"]
    assert cli("diff", run, "--from", "4").out == "The graph stays as it is.\n"
    assert cli("diff", run, "--json").json["difference"].keys() == {"nodes_added", "edges_added", "edges_removed"}


def test_patches_are_listed_with_those_that_were_refused(cli: Call, run: str) -> None:
    # Given an edit that was taken, one that was refused, and a pattern that was refused
    cli("patch", run, "-", "--description", "one more", stdin=json.dumps(ADD))
    cli("patch", run, "-", stdin=json.dumps([{"op": "remove", "path": "/nodes/nobody"}]))
    cli("edit", run, "-", stdin=json.dumps(BETWEEN | {"to": "nobody"}))
    # Then each is a line
    taken, refused = (part.splitlines() for part in cli("patches", run).out.split("\n\n"))
    assert [taken[1].split()[0], taken[1].endswith("  one more")] == ["2", True]
    assert "  add /nodes/then, add /edges/last->then  " in taken[1]
    assert [line.split()[0] for line in refused if line.startswith("EDT")] == ["EDT005", "EDT041"]
    assert "  remove /nodes/nobody " in refused[1]
    assert "  pattern insert_between  there is no node `nobody`." in refused[-1]


def test_a_revision_that_never_was_is_not_found(cli: Call, run: str) -> None:
    for command in (["revert", run, "9"], ["diff", run, "--to", "9"]):
        said = cli(*command, "--json")
        assert (command, said.code) == (command, 4)


def test_an_edit_that_leaves_the_definition_as_it_is_says_so(cli: Call, run: str) -> None:
    same: list[dict[str, Any]] = [{"op": "test", "path": "/name", "value": "chain"}]
    assert cli("patch", run, "-", stdin=json.dumps(same)).out == (
        f"{run} stays at revision 1: the definition is that already\n"
    )
    assert cli("patch", run, "-", "--dry-run", stdin=json.dumps(same)).out == (
        f"{run} would stay at revision 1: the definition is that already.\n"
    )


def _marks(said: Said) -> list[str]:
    """The lines of a difference, without what stands beside them."""
    lines = said.out.partition("\n\n")[2].splitlines()
    return [line.partition("  ")[0] for line in lines]
