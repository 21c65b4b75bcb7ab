"""Calling the API at next to no cost: what a client library takes for a call is a third of what the call itself takes,
and here it would take it from the processes that are measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from bench.clock import nanoseconds
from bench.driver import PATIENCE_S
from bench.stack import Stack

_PATCH = "application/json-patch+json"
_KEPT_NS = 2_000_000_000
"""The API hangs up on who says nothing for five seconds."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Caller:
    """HTTP/1.1 over connections that are kept; it reads answers that say how long they are, as those of the API do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, int]] = []

    async def call(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Ask for something; a body is a JSON patch."""
        reader, writer = await self._connection()
        told = f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {_PATCH}", f"Content-Length: {len(body)}"
        writer.write("\r\n".join((*told, "", "")).encode() + body)
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            answer = Answer(int(head[9:12]), await reader.readexactly(int(length)))
        self._free.append((reader, writer, nanoseconds()))
        return answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is kept and that the API will not close in this moment, or a new one."""
        while self._free:
            reader, writer, since = self._free.pop()
            if nanoseconds() - since < _KEPT_NS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def aclose(self) -> None:
        """Hang up."""
        for _, writer, _ in self._free:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def calling(stack: Stack) -> AsyncIterator[Caller]:
    """A caller of the stack's API, once that is ready."""
    caller = Caller(stack.port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_ready(caller):
                await asyncio.sleep(0.05)
        yield caller
    finally:
        await caller.aclose()


async def _is_ready(caller: Caller) -> bool:
    try:
        answer = await caller.call("GET", "/readyz")
    except ConnectionRefusedError:
        return False
    if answer.status not in (200, 503):
        raise RuntimeError(answer.body.decode())
    # With several partitions it is ready as soon as one is open, and says which are not.
    return b'"reasons":{}' in answer.body
