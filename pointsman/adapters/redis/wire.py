"""One connection to Redis: requests go out as they come, answers are matched to them in order.

Not redis-py's: in a pipeline of 64 its `pipeline()` takes 31 µs of CPU a command and its `Connection` 17, this 10 to
14, 7 of them for packing; and as an answer finds its request by its place in the queue, a caller that is cancelled
leaves nothing behind that another could read for its own. hiredis packs and parses in both.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, cast

import hiredis

from pointsman.adapters.redis.address import Address
from pointsman.adapters.redis.faults import lost, not_redis, too_slow

Answer = Any
"""bytes, int, None, a list of answers, or a `hiredis.ReplyError`."""

_MORE: Final = object()


class _Request:
    __slots__ = ("answers", "awaited", "due", "future", "patience_s")

    def __init__(self, awaited: int, future: asyncio.Future[list[Answer]], now: float, patience_s: float) -> None:
        self.awaited = awaited
        self.future = future
        self.due = now + patience_s
        self.patience_s = patience_s
        self.answers: list[Answer] = []


class Wire(asyncio.Protocol):
    """Made by `dial`. When it breaks every request on it fails; it is not mended but replaced."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._requests: deque[_Request] = deque()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._broken: Exception | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can take requests."""
        return self._broken is None

    def send(self, data: bytes, answers: int, patience_s: float) -> asyncio.Future[list[Answer]]:
        """Send packed commands; the future has their answers, error answers among them, or `ServerUnavailable`.

        Where the first of its answers takes longer than `patience_s`, the wire breaks.
        """
        future: asyncio.Future[list[Answer]] = self._loop.create_future()
        if self._broken is not None or self._transport is None:
            future.set_exception(self._broken or lost(self._address, "not connected"))
            return future
        request = _Request(answers, future, self._loop.time(), patience_s)
        self._requests.append(request)
        if self._watch is None or request.due < self._watch.when():
            self._look_at(request.due)
        self._transport.write(data)
        return future

    def drop(self, why: Exception) -> None:
        """Break it: what is on it fails with `why`."""
        if self._broken is None:
            self._broken = why
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        reader, requests = self._reader, self._requests
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _MORE:
                request = requests[0]
                request.answers.append(answer)
                if len(request.answers) == request.awaited:
                    requests.popleft()
                    if not request.future.done():
                        request.future.set_result(request.answers)
        except hiredis.ProtocolError as wrong:
            self.drop(not_redis(self._address, wrong))
        except IndexError:
            self.drop(lost(self._address, "it answered what nobody asked"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        why = self._broken = self._broken or lost(self._address, exc or "closed by the server")
        for request in self._requests:
            if not request.future.done():
                request.future.set_exception(why)
        self._requests.clear()
        if self._watch is not None:
            self._watch.cancel()

    def _look(self) -> None:
        """One timer watches whatever is first in the queue: a timer for each request costs more than the request."""
        self._watch = None
        if self._requests:
            first = self._requests[0]
            if first.due <= self._loop.time():
                self.drop(too_slow(self._address, first.patience_s))
            else:
                self._look_at(first.due)

    def _look_at(self, when: float) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._loop.call_at(when, self._look)


async def dial(address: Address) -> Wire:
    """Connect, without signing on. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    if address.path:
        _, wire = await loop.create_unix_connection(lambda: Wire(address), address.path)
        return wire
    hostname = address.host if address.tls else None
    _, wire = await loop.create_connection(
        lambda: Wire(address), address.host, address.port, ssl=address.tls, server_hostname=hostname
    )
    return wire
