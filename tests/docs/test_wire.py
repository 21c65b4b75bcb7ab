"""The reference of the wire is that of the code."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from pointsman.adapters.redis.signal_source import REJECTED_BYTES, REJECTED_KEPT
from pointsman.base.codes import CODES
from pointsman.embedded.redis import OLDEST_REDIS
from pointsman.protocol.signal import Completed, Failed, Status, WireSignal, decode_signal
from pointsman.protocol.task import Task
from pointsman.settings import Settings
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "reference" / "wire.md"
TEXT = PAGE.read_text()


def first_column(head: str) -> list[str]:
    """The words in backquotes, or linked, in the first column of the table with this head."""
    _, found, rest = TEXT.partition(f"| {head} |")
    assert found, head
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [word for line in lines for word in re.findall(r"[`\[]([^`\]]+)[`\]]", line.split("|")[1])]


def test_every_field_of_a_task_is_explained_once() -> None:
    assert sorted(first_column("field of `token` | | left out where")) == sorted(Task.__struct_fields__)
    # And those that may be left out are those with a default
    optional = Task.__struct_fields__[-len(Task.__struct_defaults__) :]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|\s][^|]* \|$", TEXT.partition("## A signal")[0], re.MULTILINE)
    assert sorted(rows) == sorted(optional)


def test_every_field_of_a_signal_is_explained_once() -> None:
    _, _, rest = TEXT.partition("## A signal")
    table = rest.partition("| field | |\n|---|---|\n")[2].partition("\n\n")[0]
    found = [word for line in table.splitlines() for word in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(found) == sorted(WireSignal.__struct_fields__)
    assert all(f"`{status}`" in table for status in get_args(Status))


@pytest.mark.parametrize("body", [block.text for block in blocks(PAGE) if block.language == "json"][1:])
def test_the_signals_that_are_shown_are_read_as_such(body: str) -> None:
    signal = decode_signal(body.encode())
    assert isinstance(signal, Completed | Failed)
    assert {name for name in json.loads(body) if name not in WireSignal.__struct_fields__} == set()


def test_every_reason_to_set_a_signal_aside_is_listed() -> None:
    signals = {code for code in CODES if code.startswith("SIG")}
    assert set(first_column("code | set aside because")) == {*signals, "RUN007"}


def test_the_limits_that_are_told_are_those_of_the_code() -> None:
    assert (REJECTED_BYTES, REJECTED_KEPT, OLDEST_REDIS) == (64 << 10, 10_000, (6, 2))
    assert Settings().coordinator.max_signal_bytes == 8 << 20
    assert all(words in TEXT for words in ("first 64 KiB", "10,000", "Version 6.2 or later"))
