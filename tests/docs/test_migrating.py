"""What was wrong in the system before is tested here, each by the tests that the page names."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "migrating.md").read_text()
FAULTS = PAGE.partition("## What was wrong")[2]


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", FAULTS)
    missing = [(path, name) for path, name in named if not re.search(rf"^(async )?def {name}\(", _text(path), re.M)]
    assert (missing, len(named) > 15) == ([], True)


def test_every_fault_names_a_test_that_it_is_gone() -> None:
    rows = [line for line in FAULTS.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 15
    assert [row for row in rows if "::test_" not in row] == []


def _text(path: str) -> str:
    file = ROOT / path
    return file.read_text() if file.exists() else ""
