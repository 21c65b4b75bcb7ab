"""The commands that become a process of Pointsman: its pid, its signals, its exit code."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import POINTSMAN, WORKERS, Dev, clean_environment
from tests.support.waiting import eventually_sync


def environment(dev: Dev) -> dict[str, str]:
    facts = dev.facts
    return clean_environment(REDIS_URL=facts.redis_url, DATABASE_URL=facts.postgres_dsn, PORT="0")


@pytest.mark.parametrize(
    ("arguments", "becomes"),
    [
        (["coordinator"], ["-P", "-m", "coordinator"]),
        (["supervisor"], ["-P", "-m", "supervisor"]),
        (["api"], ["-P", "-m", "orchestrator_api"]),
        (["worker", str(WORKERS)], ["-m", "pointsman.worker", str(WORKERS)]),
    ],
)
def test_a_command_becomes_its_process_and_drains_at_sigterm(
    dev: Dev, tmp_path: Path, arguments: list[str], becomes: list[str]
) -> None:
    # Given a process that was started by the command line
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([*POINTSMAN, *arguments], stderr=file, env=environment(dev), cwd=tmp_path)
    eventually_sync(lambda: "service_started" in log.read_text() or process.poll() is not None)
    # Then it is that process itself, with no parent of ours between
    command = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")[1:-1]
    assert command == becomes, log.read_text()
    # And it drains when it is told to
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert "service_drained" in log.read_text()


@pytest.mark.parametrize("name", ["coordinator", "supervisor"])
def test_a_process_without_its_servers_ends_with_its_own_code(name: str) -> None:
    environment = clean_environment(REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql://127.0.0.1:1/x")
    done = subprocess.run([*POINTSMAN, name], env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("SRV0")
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_that_cannot_be_loaded_says_so_last() -> None:
    command = [*POINTSMAN, "worker", "no.such.module"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("WRK001 ")
