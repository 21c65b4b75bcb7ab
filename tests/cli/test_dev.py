"""`pointsman dev`: all of it in one command, kept up, kept over restarts, and gone when it is told to go."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import redis

from pointsman.cli.facts import DevFacts, read_facts
from tests.cli.conftest import WORKERS, Dev, Said, assert_all_ended, call, ended, run_id_of
from tests.support.waiting import eventually_sync

Call = Callable[..., Said]
TRANSFORM = json.dumps(
    {"name": "twice", "nodes": [{"id": "double", "type": "transform", "config": {"expression": "input.n * 2"}}]}
)


def test_dev_writes_down_where_everything_is(dev: Dev) -> None:
    facts = dev.facts
    # Then every address in dev.json answers
    assert _is_ready(facts)
    with redis.Redis.from_url(facts.redis_url) as client:
        assert client.ping()
    assert facts.postgres_dsn.startswith("postgresql://")
    # And every process is listed
    names = {"dev", "redis", "postgres", "coordinator", "supervisor", "api", "worker", str(WORKERS)}
    assert facts.pids.keys() == names
    assert not any(ended(pid) for pid in facts.pids.values())


def test_a_second_dev_on_the_same_data_is_refused(dev: Dev) -> None:
    said = call("dev", "--port", "0", "--data-dir", str(dev.data_dir))
    assert (said.code, said.out) == (5, "")
    assert said.err.startswith(f"error SRV027 embedded Redis: {dev.data_dir / 'redis'} is in use by process ")
    assert len(said.err.splitlines()) == 1


def test_a_port_that_is_taken_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = call("dev", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert (said.code, said.out) == (5, "")
    assert f"error SRV021 the API cannot listen on port {port} of 127.0.0.1 (Address already in use)." in said.err


def test_wrong_settings_are_refused_before_anything_starts(tmp_path: Path) -> None:
    said = call("dev", "--data-dir", str(tmp_path / "data"), POINTSMAN_GRACE_PERIODS_MS="1")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error CFG002 ")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["coordinator", "supervisor", "api", "worker", "redis", "postgres"])
def test_a_killed_process_is_started_again(dev: Dev, name: str) -> None:
    before = dev.facts.pids[name]
    os.kill(before, signal.SIGKILL)
    eventually_sync(lambda: dev.facts.pids.get(name, before) != before)
    assert ended(before)
    eventually_sync(lambda: _is_ready(dev.facts))


def test_runs_go_on_after_processes_were_killed(dev: Dev, cli: Call) -> None:
    # Given a run that waits for nobody in particular, and the two processes that move it, killed
    for name in ("coordinator", "worker"):
        os.kill(dev.facts.pids[name], signal.SIGKILL)
    # When it is started and waited for
    said = cli("run", "-", "--input", '{"n": 21}', "--wait", "--json", stdin=TRANSFORM)
    # Then it ends as if nothing had happened
    assert (said.code, said.json["status"], said.json["output"]) == (0, "COMPLETED", {"double": 42})


def test_data_ports_and_runs_outlive_a_restart_of_all_partitions() -> None:
    divided = {"POINTSMAN_PARTITIONS": "16"}
    with TemporaryDirectory(prefix="pointsman-test-") as directory:
        data = Path(directory) / "data"
        # Given a run that waits on a type nobody serves, and dev killed so that it can do nothing more
        first = Dev(data, **divided).ready()
        facts = first.facts
        waiting = json.dumps({"name": "patient", "nodes": [{"id": "a", "type": "nobody"}]})
        run = run_id_of(call("run", "-", "--json", "--api-url", facts.api_url, stdin=waiting))
        eventually_sync(lambda: _status(facts, run) == "RUNNING")
        first.process.kill()
        first.stop()
        # Then nothing of it is left running
        assert_all_ended(facts)
        # When dev is started again
        second = Dev(data, **divided).ready()
        try:
            # Then the run is there, on servers at the same addresses
            assert _status(second.facts, run) == "RUNNING"
            assert second.facts.redis_url == facts.redis_url
            assert second.facts.postgres_dsn == facts.postgres_dsn
            # And whoever reads where they are knows how many partitions there are
            healthy = call("doctor", "--json", POINTSMAN_DATA_DIR=str(data))
            assert healthy.json["checks"][4] == {"check": "partitions", "status": "ok", "detail": "16, open"}
            # And runs go their way
            said = call("run", "-", "--input", '{"n": 21}', "--wait", "--json", stdin=TRANSFORM, **_at(second.facts))
            assert (said.json["status"], said.json["output"]) == ("COMPLETED", {"double": 42})
        finally:
            assert second.stop() == 0
        assert_all_ended(second.facts)


def test_dev_that_cannot_start_says_what_failed(tmp_path: Path) -> None:
    # Given workers that cannot be loaded
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    # When dev is started with them
    said = call("dev", "--port", "0", "--data-dir", str(tmp_path / "data"), "--worker", str(broken))
    # Then it ends, with what the process said and what follows from it
    assert (said.code, said.out) == (6, "")
    assert "nothing_of_that_name" in said.err
    assert f"error SRV070 {broken} ended while starting." in said.err
    facts = read_facts(tmp_path / "data")
    assert facts is not None
    assert_all_ended(DevFacts(facts.api_url, "", "", {n: pid for n, pid in facts.pids.items() if n != "dev"}))


def _is_ready(facts: DevFacts) -> bool:
    return httpx.get(f"{facts.api_url}/readyz").status_code == 200


def _at(facts: DevFacts) -> dict[str, str]:
    return {"POINTSMAN_API_URL": facts.api_url}


def _status(facts: DevFacts, run: str) -> str:
    return str(call("show", run, "--json", "--api-url", facts.api_url).json["status"])
