"""A way to a server, cut off in each manner and mended again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import MovedError

from tests.chaos.proxy import HOST, Way, Ways
from tests.support.cluster import RedisCluster
from tests.support.processes import free_port
from tests.support.waiting import eventually, let_pass

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def ways() -> Iterator[Ways]:
    with Ways() as ways:
        yield ways


@pytest.fixture
async def way(ways: Ways) -> AsyncIterator[Way]:
    """A way to a server that says what it is told."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(ConnectionResetError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(echo, HOST, 0)
    yield ways.to(server.sockets[0].getsockname()[1])
    server.close()
    for writer in writers:
        writer.close()


async def said(ends: Ends, text: bytes) -> bytes:
    """What comes back."""
    ends[1].write(text)
    return await ends[0].readexactly(len(text))


async def is_let_in(way: Way) -> bool:
    try:
        ends = await asyncio.open_connection(HOST, way.port)
    except ConnectionError:
        return False
    heard = await said(ends, b"in") == b"in"
    ends[1].close()
    return heard


async def test_a_way_carries_everything_until_one_side_ends(way: Way) -> None:
    reader, writer = await asyncio.open_connection(HOST, way.port)
    for data in (b"x" * 1_000, b"at 127.0.0"):
        assert await said((reader, writer), data) == data
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_a_way_that_refuses_ends_what_there_is_and_lets_nobody_in(ways: Ways, way: Way) -> None:
    ends = await asyncio.open_connection(HOST, way.port)
    assert await said(ends, b"one") == b"one"
    ways.do(way.cut("refuse"))
    with pytest.raises(ConnectionResetError):
        await ends[0].read()
    ends[1].close()
    assert not await is_let_in(way)
    ways.do(way.mend())
    assert await is_let_in(way)


async def test_a_way_that_resets_ends_what_there_is_and_lets_others_in(ways: Ways, way: Way) -> None:
    ends = await asyncio.open_connection(HOST, way.port)
    assert await said(ends, b"one") == b"one"
    ways.do(way.cut("reset"))
    with pytest.raises(ConnectionResetError):
        await ends[0].read()
    ends[1].close()
    assert await is_let_in(way)


async def test_a_way_that_stalls_keeps_everything_until_it_is_mended(ways: Ways, way: Way) -> None:
    ends = await asyncio.open_connection(HOST, way.port)
    ways.do(way.cut("stall"))
    waiting = asyncio.ensure_future(said(ends, b"later"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    ways.do(way.mend())
    assert await eventually(lambda: waiting.done() and waiting.result()) == b"later"
    ends[1].close()


async def test_a_client_of_a_cluster_is_sent_by_ways_of_its_own(ways: Ways, redis_cluster: RedisCluster) -> None:
    # Given ways to every node, at an address of their own
    for node in redis_cluster.nodes:
        ways.to(node.port, at="127.0.0.5")
    redis_cluster.flush()
    account = redis_cluster.url.rpartition("@")[0]
    one = Redis.from_url(f"{account}@127.0.0.5:{redis_cluster.nodes[0].port}")
    async with one:
        # When the nodes say where slots are, in whatever pieces that comes
        await one.set(*own(redis_cluster, 0))
        told = await one.execute_command("CLUSTER SLOTS")
        with pytest.raises(MovedError) as moved:
            await one.set(*own(redis_cluster, 1))
    # Then they name those ways, and data passes as it is
    assert {place[0] for _, _, place in told} == {b"127.0.0.5"}
    assert (moved.value.host, moved.value.port) == ("127.0.0.5", redis_cluster.nodes[1].port)


def own(cluster: RedisCluster, number: int) -> tuple[str, str]:
    """A key that a node of the cluster has, and what to put there."""
    return next(name for name in map(str, range(100)) if cluster.node_of(name) is cluster.nodes[number]), "x" * 100


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 100])
async def test_an_address_is_found_in_whatever_pieces_it_comes(ways: Ways, size: int) -> None:
    # Given a server that says where it is, a few bytes at a time
    text = b"$9\r\n127.0.0.1\r\n127.0.127.0.0.1 127.0.0"

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for begin in range(0, len(text), size):
            writer.write(text[begin : begin + size])
            await writer.drain()
            await let_pass(0.001)
        writer.close()

    async with await asyncio.start_server(tell, HOST, free_port()) as server:
        way = ways.to(server.sockets[0].getsockname()[1], at="127.0.0.3")
        # When it is listened to by a way with another address
        reader, writer = await asyncio.open_connection(way.host, way.port)
        heard = await reader.read(-1)
        writer.close()
    # Then that is what is heard
    assert heard == text.replace(b"127.0.0.1", b"127.0.0.3")
