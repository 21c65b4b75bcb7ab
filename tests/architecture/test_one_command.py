"""One command proves the tree: warnings fail, and what is promised of `make` and `.ci/run` is there."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

from tests.architecture.tree import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = frozenset(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_warnings_fail_and_unknown_marks_too() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"] == ["error"]
    assert {"--strict-markers", "--strict-config"} <= set(options["addopts"].split())


def test_every_make_target_that_pages_name_exists() -> None:
    # Given the pages that tell people what to type
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    told = {target for page in pages for target in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    # Then make knows each of them
    assert told - TARGETS == set()


def test_the_check_of_every_change_runs_everything() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"^\s*make (\w+)", script.read_text(), re.MULTILINE) == ["check", "test"]
    subprocess.run(["bash", "-n", script], check=True)
