"""A way to a server, cut off in each manner and mended again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from tests.chaos.proxy import HOST, Way, Ways
from tests.support.waiting import eventually

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
    assert await said((reader, writer), b"x" * 1_000) == b"x" * 1_000
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
