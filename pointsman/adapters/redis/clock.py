"""The Redis server's clock, read from afar."""

from __future__ import annotations

from typing import Final

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.faults import REPLACED
from pointsman.base.clock import SystemClock, monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis

_RESYNC_S: Final = 5.0


class RedisClock:
    """This machine's clock, moved by what `TIME` says it is off; all processes then agree on due times."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._local = SystemClock()
        self._synced_at: float | None = None

    def now(self) -> Millis:
        """Unix time in milliseconds, as of the last synchronisation."""
        return self._local.now()

    async def synced(self) -> Millis:
        """The time, measured again where the last measurement is more than five seconds old."""
        if self._synced_at is None or monotonic() - self._synced_at > _RESYNC_S:
            await self.sync()
        return self._local.now()

    async def sync(self) -> None:
        """Measure the difference; half of the round trip counts as the way there."""
        try:
            await self._measure()
        except ServerUnavailable as why:
            if why.code != REPLACED:
                raise
            # Another process tells the time as well as the one before.
            await self._measure()

    async def _measure(self) -> None:
        local, before = SystemClock(), monotonic()
        asked = local.now()
        seconds, micros = await self._connection.ask("TIME")
        after = monotonic()
        there = asked + (after - before) * 500
        self._local.offset_ms = round(int(seconds) * 1000 + int(micros) / 1000 - there)
        self._synced_at = after
