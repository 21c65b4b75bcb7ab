"""Results that Redis took and lost again are sent once more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from redis import Redis

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.connection import Connection
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.health import Health
from pointsman.worker.recent import FIRM_S, MOST_BYTES, Recent
from pointsman.worker.sender import Sender
from tests.support.waiting import eventually


def test_signals_are_forgotten_once_they_are_on_disk_and_not_before() -> None:
    # Given signals of two moments
    recent = Recent()
    recent.add([b"a", b"b"], now=10.0)
    recent.add([b"c"], now=11.0)
    # When the first have been on disk for a moment
    recent.forget(now=10.0 + FIRM_S)
    assert len(recent) == 3
    recent.forget(now=10.5 + FIRM_S)
    # Then the later one is left, and taken once
    assert (recent.take(), recent.take(), len(recent)) == ([b"c"], [], 0)


def test_no_more_is_remembered_than_memory_allows() -> None:
    recent = Recent()
    recent.add([b"x" * (MOST_BYTES // 2)] * 3, now=0.0)
    recent.add([b"last"], now=0.0)
    assert [len(signal) for signal in recent.take()] == [MOST_BYTES // 2, 4]


async def test_a_result_that_went_down_with_the_machine_is_sent_again(tmp_path: Path) -> None:
    # Given a result that Redis has taken, and a file that was not written that far when the machine went down
    with EmbeddedRedis(tmp_path) as server:
        file = tmp_path / "appendonly.aof"
        with Redis.from_url(server.url) as operator:
            operator.config_set("appendfsync", "always")
            operator.set("before", 1)
        length = file.stat().st_size
        sender = Sender(Connection(read_address(server.url)), "wf.signals", Health())
        working = [asyncio.create_task(work()) for work in (sender.run, sender.watch)]
        sender.send(b"result")
        await sender.flushed()
        server.kill()
        with file.open("r+b") as cut:
            cut.truncate(length)
        # When Redis is back without it
        server.start()
        # Then it comes again, though the worker has nothing else to say

        async def arrived() -> list[bytes]:
            with Redis.from_url(server.url) as operator:
                return [fields[b"signal"] for _, fields in operator.xrange("wf.signals")]

        assert await eventually(arrived) == [b"result"]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
