"""The shell script of the how-to, run as it stands there: redis-cli is all a worker needs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.compile import compile_source
from pointsman.embedded.redis import find_redis
from pointsman.protocol.signal import decode_signal
from pointsman.settings import child_environment
from tests.support.driven import Run, cel
from tests.support.waiting import eventually
from tests.worker.at_work import Streams

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "worker-in-any-language.md"
CLI = shutil.which("redis-cli") or str(find_redis().path.with_name("redis-cli"))

needs_cli = pytest.mark.skipif(not Path(CLI).exists(), reason="there is no redis-cli on this machine")


@pytest.fixture
def shouting(redis_db: str, tmp_path: Path) -> Iterator[None]:
    """The script of the page, running."""
    script = re.search(r"```sh\n(#!/bin/sh\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert script is not None
    (tmp_path / "shout.sh").write_text(script[1])
    server = urlsplit(redis_db)
    environ = child_environment(
        {
            "PATH": f"{Path(CLI).parent}{os.pathsep}{os.defpath}",
            "REDIS_HOST": server.hostname or "",
            "REDIS_PORT": str(server.port),
            "REDISCLI_AUTH": server.password or "",
        }
    )
    running = subprocess.Popen(["/bin/sh", str(tmp_path / "shout.sh")], env=environ, start_new_session=True)
    yield
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@needs_cli
@pytest.mark.usefixtures("shouting")
@pytest.mark.parametrize(
    ("config", "status", "output", "error"),
    [
        ({"text": "hello ${ input.who }"}, "COMPLETED", {"shout": {"text": "HELLO WORLD!"}}, None),
        ({"texxt": "hello"}, "FAILED", None, "no_text"),
    ],
)
async def test_a_shell_script_with_two_redis_commands_is_a_worker(
    redis_db: str, config: dict[str, str], status: str, output: object, error: str | None
) -> None:
    # Given a run with one node of the script's type
    definition = {"nodes": [{"id": "shout", "type": "shout", "config": config, "retry": {"max_attempts": 5}}]}
    run = Run(compile_source(definition, cel())[1].plan, {"who": "world"})
    partition = await Partition.open(redis_db)
    source = RedisSignalSource(partition, "c1")
    async with Redis.from_url(redis_db, protocol=2) as redis:
        # When its task is handed out
        (task,) = run.held.streams.values()
        await Streams(redis).give_as_it_is(task)
        # Then what the script pushes onto the public list reaches the coordinators, and the run
        await eventually(lambda: source.intake(0))
        (delivery,) = await source.read(10, 0)
    run.take(decode_signal(delivery.body))
    assert (run.status, run.output, run.error) == (status, output, error)
    await source.aclose()
    await partition.aclose()
