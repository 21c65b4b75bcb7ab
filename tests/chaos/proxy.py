"""A small TCP proxy, so that one process can be cut off from one server while all others go on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal, Self

HOST: Final = "127.0.0.1"
_CHUNK: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)

Told = Callable[[bytes], tuple[bytes, bytes]]
Cut = Literal["refuse", "stall", "reset"]
"""refuse: connections end and new ones are turned away; stall: nothing gets through, and nobody is told; reset: those
there are end at once, new ones are let in."""


class Way:
    """A port that leads to another one.

    A cluster tells its clients where its nodes are. A way of such a client has the port of the node, at an address of
    the client's own that is as long as `HOST`; where an answer names `HOST`, the client reads that address instead.
    """

    def __init__(self, target: int, at: str = HOST) -> None:
        self.target = target
        self.host = at
        self.port = target if at != HOST else 0
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        """Let connections in, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._carry, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self, how: Cut) -> None:
        """Cut the way off."""
        match how:
            case "stall":
                self._open.clear()
            case "reset":
                self._hang_up()
            case "refuse":
                assert self._server is not None
                self._server.close()
                self._hang_up()

    async def mend(self) -> None:
        """Let everything through again."""
        self._open.set()
        if self._server is None or not self._server.is_serving():
            await self.listen()

    async def close(self) -> None:
        """Be gone."""
        if self._server is not None:
            self._server.close()
        self._open.set()
        self._hang_up()

    def _hang_up(self) -> None:
        for writer in list(self._writers):
            found = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer, self._as_told))
        finally:
            self._writers -= pair
            for end in pair:
                end.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: Told = lambda data: (data, b"")
    ) -> None:
        kept = b""
        try:
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                data, kept = told(kept + data)
                writer.write(data)
                await writer.drain()
            writer.write(kept)
            writer.write_eof()
        except OSError:
            writer.transport.abort()

    def _as_told(self, data: bytes) -> tuple[bytes, bytes]:
        """Data as the client is to read it, and its end where that may be the beginning of an address."""
        if self.host == HOST:
            return data, b""
        data, name = data.replace(HOST.encode(), self.host.encode()), HOST.encode()
        begun = next((size for size in range(len(name) - 1, 0, -1) if data.endswith(name[:size])), 0)
        return data[: len(data) - begun], data[len(data) - begun :]


class Ways:
    """Any number of ways, in a thread of their own: they must not wait for the tests that use them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ways", daemon=True)
        self._ways: list[Way] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for way in self._ways:
            self.do(way.close())
        self.do(_end_all_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to(self, target: int, at: str = HOST) -> Way:
        """A new way to a port of this machine."""
        way: Way = self.do(_made(target, at))
        self._ways.append(way)
        return way

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something to a way, and wait until it is done."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


async def _made(target: int, at: str) -> Way:
    way = Way(target, at)
    await way.listen()
    return way


async def _end_all_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
