"""Time is an argument, the environment is read once, and tests wait for what happens rather than for time."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import PRODUCT, Source, assert_holds, dotted, python_files, sample, uses

CLOCK = "pointsman/base/clock.py"
SETTINGS = "pointsman/settings.py"
WAITING = "tests/support/waiting.py"

WALL_CLOCK = frozenset(
    {f"time.{name}" for name in ("time", "monotonic", "perf_counter", "localtime", "gmtime", "ctime", "strftime")}
    | {f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter")}
    | {f"datetime.{name}" for name in ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")}
)
ENVIRONMENT = frozenset({"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.unsetenv"})
SLEEPS = frozenset({"asyncio.sleep", "time.sleep", "anyio.sleep"})


def wall_clock(source: Source) -> Iterator[str]:
    for node, name in uses(source):
        if name in WALL_CLOCK and source.path != CLOCK:
            yield source.at(node, name)


def environment(source: Source) -> Iterator[str]:
    for node, name in uses(source):
        if name in ENVIRONMENT and source.path != SETTINGS:
            yield source.at(node, name)


def sleeps(source: Source) -> Iterator[str]:
    if source.path == WAITING:
        return
    yielding = {id(call.func) for call in source.nodes if isinstance(call, ast.Call) and is_sleep_zero(call)}
    for node, name in uses(source):
        if name in SLEEPS and id(node) not in yielding:
            yield source.at(node, name)


def is_sleep_zero(call: ast.Call) -> bool:
    match call:
        case ast.Call(args=[ast.Constant(value=0)], keywords=[]) if dotted(call.func).endswith("sleep"):
            return True
        case _:
            return False


def test_only_the_clock_reads_the_time_of_day() -> None:
    assert_holds(wall_clock, python_files(*PRODUCT, "bench", "examples"))


def test_only_the_settings_read_the_environment_variables() -> None:
    assert_holds(environment, python_files(*PRODUCT, "bench", "examples"))


def test_tests_wait_for_conditions_and_never_for_time() -> None:
    assert_holds(sleeps, python_files("tests"))


@pytest.mark.parametrize(
    "text",
    [
        "import time\nx = time.time()",
        "import time as t\nx = t.monotonic_ns()",
        "from time import perf_counter\nx = perf_counter()",
        "import datetime\nx = datetime.datetime.now(datetime.UTC)",
        "from datetime import datetime as d\nx = d.utcnow()",
    ],
)
def test_reading_the_time_of_day_would_be_found(text: str) -> None:
    assert len(list(wall_clock(sample(text)))) == 1
    assert list(wall_clock(sample(text, CLOCK))) == []


@pytest.mark.parametrize("text", ["import os\nos.environ['A']", "from os import getenv\ngetenv('A')"])
def test_reading_the_environment_elsewhere_would_be_found(text: str) -> None:
    assert len(list(environment(sample(text)))) == 1
    assert list(environment(sample(text, SETTINGS))) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import asyncio\nasync def f(): await asyncio.sleep(0)", 0),
        ("import asyncio\nasync def f(): await asyncio.sleep(0.1)", 1),
        ("import asyncio\nasync def f(): await asyncio.sleep(delay)", 1),
        ("from asyncio import sleep\nasync def f(): await sleep(1)", 1),
        ("import time\ntime.sleep(1)", 1),
    ],
)
def test_sleeping_in_a_test_would_be_found(text: str, found: int) -> None:
    assert len(list(sleeps(sample(text)))) == found
