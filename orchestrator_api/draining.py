"""Streams that end when the process drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

T = TypeVar("T")
_END: Final = object()


async def until(items: AsyncGenerator[T, None], stop: asyncio.Event) -> AsyncGenerator[T, None]:
    """Pass `items` on until they end or `stop` is set, whichever is first. They are closed in any case."""
    waiting: list[asyncio.Future[object]] = [asyncio.ensure_future(stop.wait())]
    try:
        while True:
            following: asyncio.Future[T | object] = asyncio.ensure_future(anext(items, _END))
            waiting[1:] = [following]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not following.done() or (item := following.result()) is _END:
                return
            yield item  # type: ignore[misc]
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await items.aclose()
