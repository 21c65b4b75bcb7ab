"""The signal source where the wire plays a part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.errors import ServerUnavailable
from tests.support.waiting import eventually

Consumer = Callable[[str], RedisSignalSource]


@pytest.fixture
async def consumer(partition: Partition) -> AsyncIterator[Consumer]:
    """Makes sources, each as its process sees the stream."""
    made: list[RedisSignalSource] = []

    def make(name: str) -> RedisSignalSource:
        made.append(RedisSignalSource(partition, name))
        return made[-1]

    yield make
    for source in made:
        await source.aclose()


async def blocked(operator: Redis) -> bool:
    return bool((await operator.info("clients"))["blocked_clients"])


async def test_a_signal_that_a_cancelled_read_took_is_read_again(consumer: Consumer, operator: Redis) -> None:
    # Given a read that Redis keeps waiting, and that is cancelled here
    source = consumer("c1")
    reading = asyncio.create_task(source.read(10, 60_000))
    await eventually(lambda: blocked(operator))
    reading.cancel()
    await asyncio.sleep(0)
    # When a signal comes, which Redis gives to that read
    await operator.xadd("wf.signals", {"signal": "mine"})
    found = await source.read(10, 60_000)
    # Then the next read of the same consumer has it
    assert [delivery.body for delivery in found] == [b"mine"]


async def test_a_read_that_is_woken_returns_at_once(consumer: Consumer, operator: Redis) -> None:
    # Given a read that Redis keeps waiting
    source = consumer("c1")
    reading = asyncio.create_task(source.read(10, 60_000))
    await eventually(lambda: blocked(operator))
    # When it is woken
    await source.wake()
    # Then it found nothing, and the next one reads on
    assert await reading == []
    await source.send([b"1"])
    assert [delivery.body for delivery in await source.read(10, 60_000)] == [b"1"]


async def test_a_signal_that_a_lost_connection_took_is_read_again(consumer: Consumer, operator: Redis) -> None:
    # Given a consumer that has read one signal, and whose connection is cut while it waits for another
    source = consumer("c1")
    await source.send([b"1"])
    first = await source.read(10, 0)
    reading = asyncio.create_task(source.read(10, 60_000))
    await eventually(lambda: blocked(operator))
    for client in await operator.client_list():
        if client["cmd"] == "xreadgroup":
            await operator.client_kill_filter(_id=client["id"])
    with pytest.raises(ServerUnavailable, match="SRV002"):
        await reading
    # When it reads again
    again = await source.read(10, 0)
    # Then it begins with what it has not acknowledged
    assert again == first


async def test_a_signal_that_somebody_deleted_is_acknowledged(consumer: Consumer, operator: Redis) -> None:
    # Given a consumer that read two signals, one of which is deleted since
    await consumer("c1").send([b"1", b"2"])
    gone, kept = await consumer("c1").read(10, 0)
    await operator.xdel("wf.signals", gone.id)
    # When it comes back
    found = await consumer("c1").read(10, 0)
    # Then it has the other, and holds nothing else
    assert found == [kept]
    pending = await operator.xpending_range("wf.signals", "coordinators", "-", "+", 10)
    assert [entry["message_id"] for entry in pending] == [kept.id]


async def test_an_entry_that_is_no_signal_is_delivered_empty(consumer: Consumer, operator: Redis) -> None:
    # Given an entry that somebody wrote by hand, and one with a field too many
    await operator.xadd("wf.signals", {"text": "hello"})
    await operator.xadd("wf.signals", {"from": "signal", "signal": "{}"})
    # When it is read
    found = await consumer("c1").read(10, 0)
    # Then it can be rejected like any other
    assert [delivery.body for delivery in found] == [b"", b"{}"]


async def test_a_flushed_server_is_told_from_one_without_signals(consumer: Consumer, operator: Redis) -> None:
    # Given a consumer, and a server that loses everything
    source = consumer("c1")
    await source.read(10, 0)
    await operator.flushdb()
    # When it reads and claims
    for call in (source.read(10, 0), source.claim(0, 10)):
        with pytest.raises(ServerUnavailable) as caught:
            await call
        # Then it is told that state was lost, and may try again once it is restored
        assert (caught.value.code, caught.value.retryable) == ("SRV014", True)


async def test_claiming_goes_on_where_it_stopped(consumer: Consumer) -> None:
    # Given more signals of a dead consumer than are claimed at once
    dead = consumer("dead")
    await dead.send([b"%d" % number for number in range(7)])
    await dead.read(10, 0)
    # When they are claimed in turns
    alive = consumer("alive")
    turns = [[delivery.body for delivery in await alive.claim(0, 3)] for _ in range(3)]
    # Then each turn has others
    assert turns == [[b"0", b"1", b"2"], [b"3", b"4", b"5"], [b"6"]]
