"""Processes that are kept running: started again when they end, ended together, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pointsman.cli.children import Child, Program
from tests.cli.conftest import ended
from tests.support.waiting import eventually, eventually_sync

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)
ABANDONED = """
import asyncio, os, sys
from pointsman.cli.children import Child, Program
async def main():
    child = Child(Program("sleeper", ("-c", "import signal; signal.pause()")), dict(os.environ), print, print)
    await child.keep(lambda: print(child.pid, flush=True))
asyncio.run(main())
"""


class Told:
    """What a child printed, and what was said about it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.told: list[str] = []


@asynccontextmanager
async def kept(code: str, told: Told) -> AsyncIterator[Child]:
    """A child that runs some Python."""
    program = Program("child", ("-c", code))
    child = Child(
        program, dict(os.environ), lambda _, line: told.said.append(line), lambda _, line: told.told.append(line)
    )
    keeping = asyncio.create_task(child.keep(lambda: None))
    try:
        yield child
    finally:
        await child.stop(5.0)
        await keeping


async def test_a_killed_child_is_started_again_and_said_so() -> None:
    told = Told()
    async with kept(SLEEPER, told) as child:
        await eventually(lambda: told.said == ["up"])
        # When the process is killed
        os.kill(first := child.pid or 0, signal.SIGKILL)
        # Then there is another one, and somebody was told
        await eventually(lambda: told.said == ["up", "up"])
        assert child.pid not in (None, first)
        assert child.ended.is_set()
    assert told.told == ["was ended by SIGKILL; it is started again in 0.25 s"]


async def test_pauses_grow_while_a_child_keeps_ending() -> None:
    told = Told()
    async with kept("raise SystemExit(3)", told):
        await eventually(lambda: len(told.told) >= 2)
    assert told.told[:2] == [
        "ended with exit code 3; it is started again in 0.25 s",
        "ended with exit code 3; it is started again in 0.5 s",
    ]


async def test_a_child_that_was_stopped_stays_down() -> None:
    told = Told()
    async with kept(SLEEPER, told) as child:
        await eventually(lambda: told.said == ["up"])
        pid = child.pid or 0
        await child.stop(5.0)
        assert ended(pid)
    assert told.told == []


async def test_a_child_that_does_not_end_is_killed() -> None:
    told = Told()
    async with kept(STUBBORN, told) as child:
        await eventually(lambda: told.said == ["up"])
        await child.stop(0.05)
    assert told.told == ["did not end within 0.05 s and was killed"]


async def test_lines_of_any_length_are_passed_on_whole() -> None:
    told = Told()
    async with kept("print('x' * 300_000); print('last', end='')", told):
        await eventually(lambda: len(told.said) >= 2)
    assert (len(told.said[0]), told.said[1]) == (300_000, "last")


def test_children_end_when_we_are_killed(tmp_path: Path) -> None:
    # Given a process that keeps a child, and is killed in a way that it cannot notice
    ours = subprocess.Popen([sys.executable, "-c", ABANDONED], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert ours.stdout is not None
    child = int(ours.stdout.readline())
    ours.kill()
    ours.wait()
    ours.stdout.close()
    # Then the child is gone too
    eventually_sync(lambda: ended(child))
