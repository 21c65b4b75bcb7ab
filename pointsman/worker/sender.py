"""Puts signals on the stream: at once where nothing is on its way, else together with what came in meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import hiredis
import structlog

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.packing import pack
from pointsman.base.errors import ServerUnavailable
from pointsman.health import Health

log = structlog.get_logger()

_MAX_SIGNALS: Final = 512
_MAX_BYTES: Final = 4 << 20
_PAUSE_S: Final = 0.2


class Sender:
    """Keeps every signal until Redis has said that it has it. One that is sent twice changes nothing."""

    def __init__(self, connection: Connection, stream: str, health: Health) -> None:
        self._connection = connection
        self._stream = stream
        self._waiting: list[bytes] = []
        self._wanted = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._health = health
        self._is_held_back = False

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

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                await self._flush()
            self._empty.set()

    async def flushed(self) -> None:
        """Wait until Redis has all of them."""
        await self._empty.wait()

    async def _flush(self) -> None:
        try:
            await self._put(_batch(self._waiting))
        except ServerUnavailable as why:
            self._hold_back(why)
            await asyncio.sleep(_PAUSE_S)
        else:
            self._go_on()

    def _hold_back(self, why: ServerUnavailable) -> None:
        self._health.unready("results", str(why))
        if not self._is_held_back:
            self._is_held_back = True
            log.warning("results_held_back", code=why.code, reason=why.message)

    def _go_on(self) -> None:
        if self._is_held_back:
            self._is_held_back = False
            self._health.ready("results")
            log.info("results_sent_again", waiting=len(self._waiting))

    async def _put(self, batch: Sequence[bytes]) -> None:
        data = pack([("XADD", self._stream, "*", "signal", signal) for signal in batch])
        answers = await self._connection.exchange(data, len(batch))
        refusals = [answer for answer in answers if isinstance(answer, hiredis.ReplyError)]
        if not refusals:
            del self._waiting[: len(batch)]
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
