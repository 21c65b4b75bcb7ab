"""Redis' clock, read from afar."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.clock import RedisClock
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.partition import Partition
from pointsman.embedded.redis import EmbeddedRedis


async def test_the_clock_agrees_with_the_server(partition: Partition, operator: Redis) -> None:
    # Given a clock that is a minute off
    clock = RedisClock(partition.connection)
    clock._local.offset_ms = 60_000
    # When it is synchronised
    synced = await clock.synced()
    # Then it tells the server's time, and goes on from there by itself
    seconds, micros = await operator.time()
    assert abs(synced - (seconds * 1_000 + micros // 1_000)) < 1_000
    assert synced <= clock.now() < synced + 1_000


async def test_a_measured_clock_does_not_ask_every_time(partition: Partition, operator: Redis) -> None:
    # Given a clock that was synchronised
    clock = RedisClock(partition.connection)
    await clock.synced()
    before = (await operator.info("commandstats"))["cmdstat_time"]["calls"]
    # When it is asked a hundred times
    for _ in range(100):
        await clock.synced()
    # Then the server was not
    assert (await operator.info("commandstats"))["cmdstat_time"]["calls"] == before


async def test_a_server_that_was_started_again_tells_the_time_at_once(server: EmbeddedRedis) -> None:
    # Given a clock of a server that is another process since it was asked
    connection = Connection(read_address(server.url))
    clock = RedisClock(connection)
    await clock.sync()
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    clock._local.offset_ms = 60_000
    # When it is measured again
    await clock.sync()
    # Then it agrees with the machine that both are on
    assert abs(clock._local.offset_ms) < 1_000
    await connection.aclose()
