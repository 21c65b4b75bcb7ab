"""Worker processes: how they start, end, die, and refuse to start."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.workers import WorkerRegistry
from pointsman.service import Exit
from pointsman.settings import child_environment
from tests.support.servers import open_fences
from tests.support.waiting import eventually
from tests.worker.at_work import Streams
from tests.worker.test_several_partitions import COUNT, run_in

WORKER = """
import pathlib, time
from pointsman.worker import Worker

worker = Worker("function", concurrency=2)
gate = pathlib.Path(__file__).with_name("gate")

@worker.handler("wait")
def wait(task):
    while not gate.exists():
        time.sleep(0.01)
    return "waited"

@worker.handler("secret")
def secret(task):
    return len(task.resolve_secret("secret://mail_token"))
"""


@contextmanager
def process(target: str, redis_url: str, folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A worker process of the machine; killed if it is still there in the end."""
    changes = {"REDIS_URL": redis_url, "POINTSMAN_DATA_DIR": str(folder), "POINTSMAN_WORKER_HEARTBEAT_MS": "50"}
    command = [sys.executable, "-m", "pointsman.worker", target]
    running = subprocess.Popen(
        command, env=child_environment(changes | environ), stderr=subprocess.PIPE, text=True, cwd=folder
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


@asynccontextmanager
async def coordinator(redis_url: str) -> AsyncIterator[tuple[Streams, WorkerRegistry]]:
    """The other side of the streams."""
    redis = Redis.from_url(redis_url, protocol=2)
    partition = Partition(Connection(read_address(redis_url)))
    await partition.know_types({"function"})
    yield Streams(redis), WorkerRegistry(partition)
    await partition.aclose()
    await redis.aclose()


@pytest.fixture
def worker_file(tmp_path: Path) -> str:
    """A worker whose handler `wait` waits for a file named `gate` beside it."""
    file = tmp_path / "my_worker.py"
    file.write_text(WORKER)
    return str(file)


async def test_a_killed_worker_leaves_its_tasks_pending_and_is_listed_as_lost(
    redis_db: str, worker_file: str, tmp_path: Path
) -> None:
    async with coordinator(redis_db) as (streams, registry):
        with process(worker_file, redis_db, tmp_path, POINTSMAN_WORKER_LEASE_MS="300") as worker:
            # Given a process with two tasks in its hands
            await streams.give("wait", run="one")
            await streams.give("wait", run="two")

            async def both_taken() -> bool:
                return await streams.pending() == 2

            await eventually(both_taken)
            assert await registry.lost() == {}
            # When it dies as only a crash can kill
            worker.send_signal(signal.SIGKILL)
            # Then its lease runs out, and what it held still is where others can take it
            lost = await eventually(registry.lost)
            assert list(lost.values()) == [("function",)]
            assert await streams.pending() == 2
            assert await streams.redis.xlen("wf.signals") == 0


async def test_what_a_killed_worker_held_is_reported_lost_in_every_partition(
    redis_db: str, worker_file: str, tmp_path: Path
) -> None:
    # Given a process with a task of each of two partitions in its hands
    open_fences(redis_db, COUNT)
    partitions = await Partitions.open(redis_db, COUNT)
    registries = [WorkerRegistry(partition) for partition in partitions.all]
    for partition in partitions.all:
        await partition.know_types({"function"})
    async with Redis.from_url(redis_db, protocol=2) as redis:
        parts = [Streams(redis, partition.keys) for partition in partitions.all]
        settings = {"POINTSMAN_PARTITIONS": str(COUNT), "POINTSMAN_WORKER_LEASE_MS": "500"}
        with process(worker_file, redis_db, tmp_path, **settings) as worker:
            for number in (2, 3):
                await parts[number].give("wait", run=run_in(number))
            held = [0, 0, 1, 1, *[0] * (COUNT - 4)]

            async def taken() -> bool:
                return [await part.pending() for part in parts] == held

            await eventually(taken)
            # When it dies
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            # Then it is found dead in every partition, and each run is told that has lost a task
            for registry, count in zip(registries, held, strict=True):
                dead = await eventually(registry.lost)
                assert [await registry.report_lost(name, types) for name, types in dead.items()] == [count]
        for number in (2, 3):
            assert [told["job_id"] for told in await parts[number].signals(1)] == [f"{run_in(number)}::work:1"]
        assert [await part.redis.xlen(part.keys.signals) for part in parts] == held
    await partitions.aclose()


async def test_a_worker_told_to_stop_finishes_reports_and_exits_cleanly(
    redis_db: str, worker_file: str, tmp_path: Path
) -> None:
    async with coordinator(redis_db) as (streams, registry):
        with process(worker_file, redis_db, tmp_path) as worker:
            await streams.give("wait", run="one")
            await eventually(streams.pending)
            # When it is told to stop, and the handler ends after that
            worker.send_signal(signal.SIGTERM)
            (tmp_path / "gate").touch()
            _, log = worker.communicate(timeout=20)
            # Then the result is there, the process ended well, and nothing counts as lost
            assert await streams.results(1) == {"one": "waited"}
            assert worker.returncode == Exit.DRAINED
            assert await registry.registered() == {}
            assert '"event": "service_drained"' in log


async def test_a_handler_that_never_ends_does_not_keep_the_process_alive(
    redis_db: str, worker_file: str, tmp_path: Path
) -> None:
    async with coordinator(redis_db) as (streams, registry):
        with process(worker_file, redis_db, tmp_path, POINTSMAN_GRACE_PERIOD_MS="1500") as worker:
            await streams.give("wait")
            await eventually(streams.pending)
            worker.send_signal(signal.SIGTERM)
            _, log = worker.communicate(timeout=20)
            # Then it ended within the grace period, and its task is up for others at once
            assert worker.returncode == Exit.DRAINED
            assert '"unfinished": 1' in log
            assert list((await registry.lost()).values()) == [("function",)]


async def test_secrets_come_from_the_environment_of_the_worker(redis_db: str, worker_file: str, tmp_path: Path) -> None:
    async with coordinator(redis_db) as (streams, _):
        with process(worker_file, redis_db, tmp_path, POINTSMAN_SECRET_MAIL_TOKEN="s3cret"):
            await streams.give("secret")
            assert await streams.results(1) == {"run_1": 6}


@pytest.mark.parametrize(
    ("target", "environ", "code", "line"),
    [
        ("nowhere.py", {}, Exit.BAD_SETTINGS, "WRK001 nowhere.py is no file."),
        ("my_worker.py", {"POINTSMAN_WORKER_LEASE_MS": "60"}, Exit.BAD_SETTINGS, "CFG007 worker: "),
        ("my_worker.py", {"REDIS_URL": "redis://127.0.0.1:1/0"}, Exit.BAD_SERVER, "SRV001 Redis at 127.0.0.1:1 "),
        ("my_worker.py", {"POINTSMAN_BLOB_URL": "nfs://x"}, Exit.BAD_SERVER, "SRV030 "),
    ],
)
def test_a_process_that_cannot_work_says_why_in_one_line(
    redis_db: str, worker_file: str, tmp_path: Path, target: str, environ: dict[str, str], code: Exit, line: str
) -> None:
    with process(target, redis_db, tmp_path, **environ) as worker:
        _, said = worker.communicate(timeout=20)
    assert worker.returncode == code
    assert [text for text in said.splitlines() if text.startswith(line)] == said.splitlines()


def test_an_error_in_the_users_module_is_shown_with_its_traceback(
    redis_db: str, worker_file: str, tmp_path: Path
) -> None:
    Path(worker_file).write_text("def broken():\n    return 1 / 0\n\nbroken()\n")
    with process(worker_file, redis_db, tmp_path) as worker:
        _, said = worker.communicate(timeout=20)
    assert worker.returncode == Exit.BAD_SETTINGS
    assert "in broken" in said
    assert said.splitlines()[-1] == (
        f"WRK001 {worker_file} cannot be loaded: ZeroDivisionError: division by zero. No worker was started."
    )


def test_a_worker_process_needs_a_target() -> None:
    ended = subprocess.run([sys.executable, "-m", "pointsman.worker"], capture_output=True, text=True, check=False)
    assert ended.returncode == Exit.BAD_SETTINGS
    assert ended.stderr == "usage: python -m pointsman.worker FILE.py | package.module\n"
