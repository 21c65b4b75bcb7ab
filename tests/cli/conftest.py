"""The command line at work: called in this process, or as a process of its own on a `pointsman dev` for all tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from pointsman.cli.app import make_app
from pointsman.cli.facts import DevFacts, read_facts
from tests.support.waiting import eventually_sync

POINTSMAN = [sys.executable, "-m", "pointsman.cli"]
WORKERS = Path(__file__).with_name("workers.py")


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Dev:
    """A `pointsman dev` in a process of its own, with these settings."""

    def __init__(self, data_dir: Path, *arguments: str, **settings: str) -> None:
        self.data_dir = data_dir
        command = [*POINTSMAN, "dev", "--port", "0", "--data-dir", str(data_dir), *arguments]
        self.log = data_dir.with_name(data_dir.name + ".log")
        with self.log.open("wb") as log:
            environment = clean_environment(**settings)
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)

    @property
    def facts(self) -> DevFacts:
        """What `dev.json` says now."""
        facts = read_facts(self.data_dir)
        assert facts is not None
        return facts

    def ready(self) -> Dev:
        """Wait until it says that everything is up."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), self.log.read_text()
        return self

    def stop(self) -> int:
        """End it as Ctrl-C would; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(timeout=30)


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment of the tests without any setting of ours."""
    ours = ("POINTSMAN_", "REDIS_", "DATABASE_URL", "PORT", "LOG_LEVEL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | changes


def call(*arguments: str, stdin: str | None = None, **environment: str) -> Said:
    """Run a command in this process."""
    unset: dict[str, str | None] = {name: None for name in os.environ if name not in clean_environment()}
    result = CliRunner(env={**unset, **environment}).invoke(make_app(), list(arguments), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def run_id_of(said: Said) -> str:
    """The id in the JSON that a start answered."""
    assert said.code == 0, said
    return str(said.json["run_id"])


def ended(pid: int) -> bool:
    """Whether no process of that id is at work any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def assert_all_ended(facts: DevFacts) -> None:
    """Wait until nothing of what `dev` had started is left."""
    eventually_sync(lambda: all(ended(pid) for pid in facts.pids.values()))


@pytest.fixture(scope="session")
def dev() -> Iterator[Dev]:
    """A `pointsman dev` with the workers of these tests beside the built-in ones."""
    with TemporaryDirectory(prefix="pointsman-test-") as directory:
        started = Dev(Path(directory) / "data", "--worker", str(WORKERS))
        try:
            yield started.ready()
        finally:
            facts = started.facts
            assert started.stop() == 0
            assert_all_ended(facts)


@pytest.fixture
def cli(dev: Dev) -> Any:
    """`call`, with the API of the session's `dev`."""

    def call_it(*arguments: str, stdin: str | None = None) -> Said:
        return call(*arguments, stdin=stdin, POINTSMAN_API_URL=dev.facts.api_url)

    return call_it
