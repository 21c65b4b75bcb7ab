"""Every command on the operators' pages, typed on a real system in the order of the page."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from pointsman.embedded.redis import find_redis
from pointsman.settings import child_environment
from tests.docs.pages import ROOT, blocks
from tests.integration.caller import Caller
from tests.support.topology import Topology
from tests.support.waiting import eventually

WIRE, MIGRATING, KEYS = ROOT / "docs/reference/wire.md", ROOT / "docs/migrating.md", ROOT / "lua/README.md"
RECOVER = ROOT / "docs/howto/recover-redis.md"
CLI = shutil.which("redis-cli") or str(find_redis().path.with_name("redis-cli"))
DOES_SOMETHING = re.compile(r"RPUSH|XGROUP|XREADGROUP|curl|recover")
ERROR = re.compile(r"(?!BUSYGROUP)[A-Z]{3,} [a-zA-Z]|Could not connect")

pytestmark = pytest.mark.skipif(not Path(CLI).exists(), reason="there is no redis-cli on this machine")


class Command(NamedTuple):
    """What is to be typed, and what the page says comes of it; `…` stands for anything."""

    text: str
    expected: str | None

    def is_met(self, said: str) -> bool:
        """Whether that is what came."""
        if self.expected is None:
            return not ERROR.match(said)
        pattern = ".*".join(map(re.escape, self.expected.replace("(nothing)", "").split("…")))
        return re.fullmatch(pattern, said, re.DOTALL) is not None


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page, each with all its lines."""
    for block in blocks(page):
        lines: list[str] = []
        for line in block.text.splitlines() if block.language == "bash" else ():
            lines.append(line)
            if "\n".join(lines).count("'") % 2 == 0:
                text = "\n".join(lines)
                yield Command(text, text.partition("# → ")[2].strip() or None)
                lines = []


class Terminal:
    """Where an operator of the system types."""

    def __init__(self, caller: Caller, folder: Path) -> None:
        server = urlsplit(caller.system.redis.url)
        (folder / "redis-cli").write_text(f'#!/bin/sh\nexec {CLI} -h 127.0.0.1 -p {server.port} "$@"\n')
        (folder / "redis-cli").chmod(0o755)
        places = (str(folder), str(Path(sys.executable).parent), os.defpath)
        self._url = caller.system.url
        self._environment = child_environment(
            {
                "PATH": os.pathsep.join(places),
                "REDISCLI_AUTH": server.password or "",
                "POINTSMAN_API_URL": self._url,
                "REDIS_URL": caller.system.redis.url,
                "DATABASE_URL": caller.system.postgres.dsn,
            }
        )

    async def type(self, command: Command) -> None:
        """Type a command; one that only looks is typed again until it shows what it should."""
        if DOES_SOMETHING.search(command.text):
            said = await self._said(command)
            assert command.is_met(said), f"{command.text}\n{said}"
            return
        last = ""

        async def shows() -> bool:
            nonlocal last
            last = await self._said(command)
            return command.is_met(last)

        try:
            await eventually(shows)
        except AssertionError:
            raise AssertionError(f"{command.text}\n{last}") from None

    async def _said(self, command: Command) -> str:
        text = command.text.replace("http://localhost:8080", self._url)
        run = await asyncio.to_thread(
            subprocess.run, ["/bin/sh", "-c", text], capture_output=True, text=True, env=self._environment, check=True
        )
        return run.stdout.strip()


@pytest.fixture
def terminal(caller: Caller, tmp_path: Path, topology: Topology) -> Terminal:
    """A terminal with `redis-cli`, `pointsman` and whatever the machine has."""
    if topology == "cluster":
        pytest.skip("the pages show a Redis that is one server, and its names without tags")
    return Terminal(caller, tmp_path)


def definition_of(page: Path) -> Any:
    """The workflow that a page is about."""
    return YAML(typ="safe").load(next(block.text for block in blocks(page) if block.language == "yaml"))


async def test_every_command_on_the_page_about_the_wire_does_what_it_says(caller: Caller, terminal: Terminal) -> None:
    await caller.start(definition_of(WIRE), {"topic": "trains"}, run_id="run_7")
    # The task stands on its stream as the page shows it
    ((_, entry),) = await caller.redis.xrange("wf.tasks.essay")
    task, shown = json.loads(entry[b"token"]), next(block for block in blocks(WIRE) if block.language == "json")
    assert task | {"created_at": 1_700_000_000_000} == json.loads(shown.text)
    assert sorted(entry) == [b"job_id", b"node_id", b"run_id", b"token"]
    for command in commands(WIRE):
        await terminal.type(command)
    await caller.command("run_7", "cancel")
    await caller.ended("run_7")


async def test_every_command_on_the_page_about_migrating_does_what_it_says(caller: Caller, terminal: Terminal) -> None:
    # Given the run that the page speaks of, without a worker that would take its tasks
    caller.system.kill("worker")
    await caller.start(definition_of(MIGRATING), run_id="run_123")
    (first,) = await caller.take("function")
    await caller.complete(first, {"score": 60})
    (polishing,) = await caller.take("agent")
    await caller.complete(polishing, {"score": 70})
    assert [task["id"] for task in await caller.take("agent")] == ["check[2]:polish"]
    for command in [*commands(MIGRATING), *commands(KEYS)]:
        if shutil.which("curl") or "curl" not in command.text:
            await terminal.type(command)
    await caller.command("run_123", "cancel")
    await caller.ended("run_123")


async def test_every_command_on_the_page_about_losing_redis_does_what_it_says(
    caller: Caller, terminal: Terminal
) -> None:
    # Given a run whose task somebody has in hand
    run_id = await caller.start({"name": "out", "nodes": [{"id": "a", "type": "in_hand"}], "edges": []})
    (task,) = await caller.take("in_hand")
    # When the commands of the page are typed, of which the last rebuilds every open run
    shown = list(commands(RECOVER))
    assert len(shown) == 3
    for command in shown:
        await terminal.type(command)
    # Then the task is out once more, and the result of whoever had it counts
    assert [again["attempt"] for again in await caller.take("in_hand")] == [2]
    await caller.complete(task, 1)
    assert await caller.completed(run_id) == {"a": 1}
