"""Streams that end when the process drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from orchestrator_api.draining import until


class Source:
    """Yields what it is given, waits for ever then, and knows when it was closed."""

    def __init__(self, *items: int, ends: bool = False, fails: bool = False) -> None:
        self.is_closed = False
        self.items = self._run(items, ends, fails)

    async def _run(self, items: tuple[int, ...], ends: bool, fails: bool) -> AsyncGenerator[int, None]:
        try:
            for item in items:
                yield item
            if fails:
                raise ValueError("broken")
            if not ends:
                await asyncio.Event().wait()
        finally:
            self.is_closed = True


async def test_a_stream_that_ends_by_itself_is_passed_on_whole() -> None:
    source = Source(1, 2, 3, ends=True)
    assert [item async for item in until(source.items, asyncio.Event())] == [1, 2, 3]
    assert source.is_closed


async def test_a_stream_ends_when_the_process_drains() -> None:
    # Given a stream that waits for more
    source, stop, got = Source(1, 2), asyncio.Event(), []
    async for item in until(source.items, stop):
        got.append(item)
        # When the process drains after the second item
        if item == 2:
            stop.set()
    # Then it ends, and its source with it
    assert (got, source.is_closed) == ([1, 2], True)


async def test_an_error_of_the_source_comes_through() -> None:
    source = Source(1, fails=True)
    with pytest.raises(ValueError, match="broken"):
        [item async for item in until(source.items, asyncio.Event())]


async def test_a_reader_that_goes_away_closes_the_source() -> None:
    # Given a reader in the middle of waiting
    source = Source(1)

    async def read() -> None:
        async with aclosing(until(source.items, asyncio.Event())) as items:
            async for _ in items:
                begun.set()

    begun = asyncio.Event()
    reading = asyncio.create_task(read())
    await begun.wait()
    # When it is cancelled
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    # Then nothing is left running
    assert source.is_closed
