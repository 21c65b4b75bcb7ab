"""The commands about tags, against a real API: put, started by, rolled back, listed, taken away."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from pointsman.cli.tags import named_workflow
from tests.architecture.tree import ROOT
from tests.cli.conftest import Dev, run_id_of
from tests.cli.test_runs import WAITING, Call


@pytest.fixture
def workflow(dev: Dev) -> str:
    """A workflow with two versions."""
    name = f"wf-{uuid4().hex[:8]}"
    for version in (1, 2):
        body = {**WAITING, "name": name, "metadata": {"version": version}}
        assert httpx.post(f"{dev.facts.api_url}/api/v1/workflows", json=body).json()["version"] == version
    return name


def test_a_release_is_put_started_by_and_taken_back(cli: Call, workflow: str) -> None:
    tag = f"{workflow}@prod"
    # When a tag is made, moved and rolled back, a run started each time
    for words, version in ((("tag", tag, "1"), 1), (("tag", tag, "2", "--if-move", "1"), 2), (("rollback", tag), 1)):
        said = cli(*words, "--reason", f"now {version}")
        assert (said.code, said.out.startswith(f"{tag} is version {version}, by move ")) == (0, True), said
        run = run_id_of(cli("run", tag, "--json"))
        shown = cli("show", run, "--json").json
        assert (shown["version"], shown["tag"]) == (version, "prod")
        cli("cancel", run)
    # Then the tag and its history are told
    assert cli("tags", workflow, "--json").json["tags"][0]["version"] == 1
    rows = [line.split() for line in cli("tags", tag).out.splitlines()]
    assert rows[0] == ["move", "from", "to", "at", "by", "why"]
    assert [row[:3] for row in rows[1:]] == [["3", "2", "1"], ["2", "1", "2"], ["1", "-", "1"]]
    assert [row[-2:] for row in rows[1:]] == [["now", "1"], ["now", "2"], ["now", "1"]]
    # And it can be taken away
    assert cli("untag", tag).out == f"{workflow} has no tag prod any more; it was version 1\n"
    assert cli("tags", workflow).out.split() == ["tag", "version", "move", "at", "by", "why"]
    assert (cli("run", tag).code, cli("run", tag, "--json").json["error"]["code"]) == (4, "API070")


def test_a_tag_that_somebody_else_has_moved_is_left_alone(cli: Call, workflow: str) -> None:
    tag = f"{workflow}@prod"
    cli("tag", tag, "1")
    for words in (
        ("tag", tag, "2", "--if-move", "0"),
        ("rollback", tag, "--if-move", "2"),
        ("untag", tag, "--if-move", "9"),
    ):
        said = cli(*words, "--json")
        assert (said.code, said.json["error"]["code"]) == (5, "API072"), said
    assert cli("tag", f"{workflow}@7", "1").code == 2
    assert cli("tag", workflow, "1").code == 2


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("orders", {"workflow": "orders"}),
        ("orders@prod", {"workflow": "orders", "tag": "prod"}),
        ("orders@3", {"workflow": "orders", "version": 3}),
        ("me@home@prod", {"workflow": "me@home", "tag": "prod"}),
        ("@prod", {"workflow": "@prod"}),
        ("orders@", {"workflow": "orders@"}),
    ],
)
def test_the_last_at_sign_parts_a_workflow_from_its_tag(text: str, asked: dict[str, object]) -> None:
    assert named_workflow(text) == asked


def shown_commands() -> Iterator[list[str]]:
    """The commands on the page about tags."""
    page = (ROOT / "docs" / "howto" / "tags.md").read_text()
    for line in page.splitlines():
        if line.startswith("pointsman "):
            yield shlex.split(line)[1:]


def test_the_commands_on_the_page_do_what_it_says(cli: Call, workflow: str) -> None:
    # Given the tag that the page has by then
    assert cli("tag", f"{workflow}@prod", "1").code == 0
    commands = [[word.replace("orders", workflow, 1) for word in words] for words in shown_commands()]
    assert len(commands) == 7
    for words in commands:
        said = cli(*words)
        assert said.code == 0, said
