"""Every place where a process can be made to die is one where a test lets it die."""

from __future__ import annotations

from pointsman.base.crashpoints import CRASH_POINTS
from tests.architecture.tree import python_files, strings

ARMING = "POINTSMAN_CRASH_AT"


def test_every_crash_point_is_died_at_by_some_process() -> None:
    # Given the tests that arm a point in a process
    arming = [source for source in python_files("tests") if f"{ARMING}=" in source.text]
    named = {text.partition(":")[0] for source in arming for _, text in strings(source)}
    # Then each point is named there
    assert [point for point in CRASH_POINTS if point not in named] == []
