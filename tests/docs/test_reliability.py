"""The page of promises: each test that it names is there, and the campaign it shows is the one that was kept."""

from __future__ import annotations

import json
import re

import pytest

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "reliability.md"
NAMED = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", PAGE.read_text())


def test_every_promise_names_the_test_that_keeps_it() -> None:
    promises = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "promise" not in line]
    assert len(promises) == len(NAMED) > 20


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_test_that_the_page_names_is_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_the_campaign_on_the_page_is_the_one_that_was_kept_and_broke_nothing() -> None:
    [shown] = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]
    assert shown == json.loads((ROOT / "tests" / "chaos" / "results" / "latest.json").read_text())
    assert shown["violations"] == 0
