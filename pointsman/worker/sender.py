"""Puts signals on the stream: at once where nothing is on its way, else together with what came in meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Final

import hiredis
import structlog

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.packing import pack
from pointsman.adapters.redis.wire import Answer
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.health import Health
from pointsman.worker.recent import Recent

log = structlog.get_logger()

_MAX_SIGNALS: Final = 512
_MAX_BYTES: Final = 4 << 20
_PAUSE_S: Final = 0.2
_LOOK_S: Final = 1.0


class Sender:
    """Keeps every signal until Redis has said that it has it. One that is sent twice changes nothing."""

    def __init__(self, connection: Connection, stream: str, health: Health, name: str = "results") -> None:
        """`name` is what it is called where health is told."""
        self._connection = connection
        self._stream = stream
        self._waiting: list[bytes] = []
        self._wanted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._going: tuple[Sequence[bytes], Awaitable[list[Answer]]] | None = None
        self._health = health
        self._name = name
        self._is_held_back = False
        self._recent = Recent()
        self._incarnation = 0
        """Of the server that took what is recent."""

    @property
    def waiting(self) -> int:
        """How many signals Redis does not have yet, as far as is known."""
        return len(self._waiting)

    def send(self, signal: bytes) -> None:
        """Take a signal that is to go out."""
        if not self._waiting:
            self._empty.clear()
            self._wanted.set()
        self._waiting.append(signal)

    def push(self) -> None:
        """Let what waits go out now, if nothing is on its way: a result need not wait for its turn to be noticed."""
        if self._waiting and self._going is None:
            batch = _batch(self._waiting)
            answers = self._connection.send_now(self._packed(batch), len(batch))
            if answers is not None:
                self._going = batch, answers

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                await self._flush()
            self._empty.set()

    async def watch(self) -> None:
        """Until cancelled, see to it that what was sent is not lost with the machine that Redis runs on."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._recent:
                await self._look()

    async def _look(self) -> None:
        with suppress(ServerUnavailable):
            await self._connection.ask("PING")
            self._remember(())
            self._recent.forget(monotonic())

    def _remember(self, signals: Sequence[bytes]) -> None:
        """Keep what was taken for a while; send again what another server process was the one to take."""
        if self._incarnation != self._connection.incarnation:
            self._incarnation = self._connection.incarnation
            again = self._recent.take()
            log.info("results_sent_again", waiting=len(again))
            for signal in again:
                self.send(signal)
        self._recent.add(signals, monotonic())

    async def flushed(self) -> None:
        """Wait until Redis has all of them."""
        await self._empty.wait()

    async def _flush(self) -> None:
        if self._going is None:
            batch = _batch(self._waiting)
            self._going = batch, self._connection.exchange(self._packed(batch), len(batch))
        batch, answers = self._going
        try:
            self._settle(batch, await answers)
        except ServerUnavailable as why:
            self._hold_back(why)
            await asyncio.sleep(_PAUSE_S)
        else:
            self._go_on()
        finally:
            self._going = None

    def _hold_back(self, why: ServerUnavailable) -> None:
        self._health.unready(self._name, str(why))
        if not self._is_held_back:
            self._is_held_back = True
            log.warning("results_held_back", code=why.code, reason=why.message)

    def _go_on(self) -> None:
        if self._is_held_back:
            self._is_held_back = False
            self._health.ready(self._name)
            log.info("results_sent_again", waiting=len(self._waiting))

    def _packed(self, batch: Sequence[bytes]) -> bytes:
        return pack([("XADD", self._stream, "*", "signal", signal) for signal in batch])

    def _settle(self, batch: Sequence[bytes], answers: list[Answer]) -> None:
        refusals = [answer for answer in answers if isinstance(answer, hiredis.ReplyError)]
        if not refusals:
            del self._waiting[: len(batch)]
            self._remember(batch)
            return
        answered = zip(batch, answers, strict=True)
        self._waiting[: len(batch)] = [signal for signal, answer in answered if isinstance(answer, hiredis.ReplyError)]
        self._connection.checked(refusals[0])


def _batch(signals: Sequence[bytes]) -> Sequence[bytes]:
    """The first signals, as many as go well together."""
    size = 0
    for count, signal in enumerate(signals[:_MAX_SIGNALS]):
        size += len(signal)
        if size > _MAX_BYTES and count:
            return signals[:count]
    return signals[:_MAX_SIGNALS]
