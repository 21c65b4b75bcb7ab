"""The run that extends itself, as its README says to run it: real processes, one command to start them all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Dev, call, run_id_of
from tests.support.waiting import eventually_sync

EXAMPLE = Path(__file__).parents[2] / "examples" / "self-extending-research"
WORKFLOW = str(EXAMPLE / "workflow.yaml")
BEES = {"plan", "research_mites", "research_hunger", "research_pesticides", "research_treatment", "research_weather"}
QUICK = {"POINTSMAN_WORKER_LEASE_MS": "1500", "POINTSMAN_WORKER_HEARTBEAT_MS": "300"}


@pytest.fixture(scope="module")
def dev() -> Iterator[Dev]:
    """What the README has one start."""
    with TemporaryDirectory(prefix="pointsman-test-") as folder:
        started = Dev(Path(folder) / "data", "--worker", str(EXAMPLE / "worker.py"))
        try:
            yield started.ready()
        finally:
            assert started.stop() == 0


def told(dev: Dev, run_id: str, path: str = "") -> Any:
    """What the API says about a run."""
    answered = httpx.get(f"{dev.facts.api_url}/api/v1/runs/{run_id}{path}")
    assert answered.is_success, answered.text
    return answered.json()


def added(patches: Any) -> list[str]:
    """The nodes that edits have added, in order."""
    operations = [operation for patch in patches["taken"] for operation in patch["operations"]]
    return [operation["value"]["id"] for operation in operations if operation["path"] == "/nodes/-"]


def test_a_run_of_two_nodes_extends_itself_by_what_turns_out(dev: Dev) -> None:
    # When the question is asked as the README says
    said = call(
        *("run", WORKFLOW, "--wait", "--json", "--input", f"@{EXAMPLE / 'question.json'}"),
        POINTSMAN_API_URL=dev.facts.api_url,
    )
    run = told(dev, run_id := run_id_of(said))
    # Then everything that turned out on the way was looked up once, before the report
    assert (run["status"], {node: view["attempt"] for node, view in run["nodes"].items()}) == (
        "COMPLETED",
        dict.fromkeys(BEES | {"report"}, 1),
    )
    assert run["output"]["answer"] == "They were treated on the 20th of October, six weeks late."
    assert [line.partition(" ")[0] for line in run["output"]["because"]] == [
        *("treatment", "mites", "weather", "hunger", "pesticides")
    ]
    # And the run itself has done it, each edit by the token of the task that had it
    patches = told(dev, run_id, "/patches")
    assert sorted(added(patches)) == sorted(BEES - {"plan"})
    holders = {patch["by"].split()[2] for patch in patches["taken"]}
    assert holders <= {":plan", ":research_mites", ":research_pesticides", ":research_treatment"}
    # As the commands show that the README names
    for command in ("show", "patches"):
        shown = call(command, run_id, POINTSMAN_API_URL=dev.facts.api_url)
        assert (shown.code, "research_weather" in shown.out) == (0, True), shown
    # And nobody has seen a token
    assert "pointsman_edit_" not in json.dumps([run, patches]) + dev.log.read_text()


def test_a_question_that_names_nothing_is_answered_without_an_edit(dev: Dev) -> None:
    asked = json.dumps({"question": "Who are you?"})
    said = call("run", WORKFLOW, "--wait", "--json", "--input", asked, POINTSMAN_API_URL=dev.facts.api_url)
    run = told(dev, run_id_of(said))
    assert (run["status"], run["revision"], set(run["nodes"])) == ("COMPLETED", 1, {"plan", "report"})
    assert run["output"]["answer"] == "The library has nothing on this."


def test_what_a_run_became_can_be_the_next_version_of_its_workflow(dev: Dev) -> None:
    # Given a run that has grown
    asked = json.dumps({"question": "Was it hunger?"})
    said = call("run", WORKFLOW, "--wait", "--json", "--input", asked, POINTSMAN_API_URL=dev.facts.api_url)
    # When it is promoted, as the README says
    answered = httpx.post(f"{dev.facts.api_url}/api/v1/runs/{run_id_of(said)}/promote")
    # Then there is a workflow with the node in it
    assert answered.status_code in (200, 201)
    found = httpx.get(f"{dev.facts.api_url}/api/v1/workflows/self-extending-research").json()
    assert [node["id"] for node in found["definition"]["nodes"]] == ["plan", "report", "research_hunger"]


def test_a_worker_that_dies_having_extended_its_run_extends_it_once() -> None:
    with TemporaryDirectory(prefix="pointsman-test-") as folder:
        # Given a worker that dies between its edit and its answer
        dev = Dev(Path(folder) / "data", "--worker", str(Path(__file__).with_name("mortal_worker.py")), **QUICK).ready()
        try:
            api = {"POINTSMAN_API_URL": dev.facts.api_url}
            asked = json.dumps({"question": "Was it hunger, or mites?"})
            run_id = run_id_of(call("run", WORKFLOW, "--json", "--input", asked, **api))
            # When another takes over what it had
            eventually_sync(lambda: told(dev, run_id)["status"] == "COMPLETED", timeout=30)
            # Then each node was added once, and executed once
            run = told(dev, run_id)
            assert {node: view["attempt"] for node, view in run["nodes"].items()} == {
                **dict.fromkeys(BEES - {"research_pesticides"} | {"report"}, 1),
                "plan": 2,
            }
            assert len(added(told(dev, run_id, "/patches"))) == 4
        finally:
            assert dev.stop() == 0
