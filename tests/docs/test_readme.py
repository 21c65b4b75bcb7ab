"""The README's commands, in its order, on its files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.cli.facts import read_facts
from tests.cli.conftest import assert_all_ended, clean_environment
from tests.docs.pages import ROOT, blocks

README = list(blocks(ROOT / "README.md"))
COMMANDS = [block.text.splitlines() for block in README if block.language == "sh"]
MAKE, FIRST_TERMINAL, SECOND_TERMINAL = COMMANDS


def environment() -> dict[str, str]:
    """As the README asks for: `pointsman` is on the path. Any free port, for there may be another at work."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return clean_environment(PATH=path, PORT="0", PYTHONUNBUFFERED="1")


def typed(line: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Type a command there and wait for its end."""
    return subprocess.run(
        shlex.split(line), cwd=place, capture_output=True, text=True, env=environment(), check=False, timeout=60
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with the README's files, and its first terminal at work there."""
    for block in README:
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    (command,) = FIRST_TERMINAL
    with (tmp_path / "dev.log").open("wb") as log:
        dev = subprocess.Popen(
            shlex.split(command), cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, env=environment()
        )
    assert dev.stdout is not None
    assert b"Pointsman is up" in dev.stdout.readline(), (tmp_path / "dev.log").read_text()
    yield tmp_path
    facts = read_facts(tmp_path / ".pointsman")
    assert facts is not None
    dev.terminate()
    assert dev.wait(30) == 0
    dev.stdout.close()
    assert_all_ended(facts)


def test_it_opens_with_make_demo_and_make_test() -> None:
    assert (ROOT / "README.md").read_text().startswith("# Pointsman\n\n```sh\nmake demo ")
    assert [line.split("#")[0].split() for line in MAKE] == [["make", "demo"], ["make", "test"]]


def test_every_command_of_the_first_workflow_does_what_it_says(place: Path) -> None:
    # When the second terminal's commands are typed one after the other
    said = [typed(line, place) for line in SECOND_TERMINAL]
    # Then each ends well
    assert [(each.returncode, each.stderr) for each in said] == [(0, "")] * len(said)
    validated, started, patched, watched, shown = (each.stdout for each in said)
    assert validated == "hello.yaml is valid: hello, 3 nodes, 2 edges\n"
    assert started.startswith("hello-1 started")
    assert patched == "hello-1 is at revision 2\n"
    # And the added node began with the patch, and got what the node before it had left
    assert re.search(r"✎ revision 2 by local  ▸ also\n", watched)
    assert "✔ also" in shown
    run = json.loads(typed(f"{SECOND_TERMINAL[-1]} --json", place).stdout)
    assert run["status"] == "COMPLETED"
    assert [run["nodes"][name]["output"] for name in ("thank", "also")] == ["Hello Ada! Thank you for coming."] * 2
