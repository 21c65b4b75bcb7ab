"""MemorySignalSource: the signals stream of a `MemoryServer` as one consumer of the group sees it."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.adapters.memory.server import Armed, MemoryServer, Rejected
from pointsman.adapters.memory.stream import Held
from pointsman.base.ids import Millis, RunId
from pointsman.ports.signal_source import Delivery
from pointsman.protocol.signal import CONTINUE_TIMER


class MemorySignalSource:
    """The adapter of `pointsman.ports.signal_source.SignalSource`; the docstrings there hold here."""

    def __init__(self, server: MemoryServer, consumer: str) -> None:
        self._server = server
        self._consumer = consumer
        self._reads_on = False

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        """Signals for this consumer; first those it was given before and never acknowledged."""
        stream = self._server.signals
        if not self._reads_on:
            self._reads_on = True
            own = [name for name, held in stream.held.items() if held.consumer == self._consumer]
            if own:
                return [Delivery(name, stream.entries[name]) for name in own]
        found = self._read(count)
        while not found and block_ms and await self._server.arrival(block_ms):
            found = self._read(count)
        return found

    async def claim(self, min_idle_ms: int, count: int) -> list[Delivery]:
        """Signals of consumers that are gone."""
        claimed = self._server.signals.claim(self._consumer, min_idle_ms, count, self._server.clock.now())
        return [Delivery(*entry) for entry in claimed]

    async def reject(self, delivery: Delivery, code: str, reason: str) -> None:
        """Set a signal aside."""
        if self._server.signals.remove(delivery.id):
            self._server.rejected.append(Rejected(delivery.body, code, reason))

    async def leave(self, delivery: Delivery) -> None:
        """Let the signal look as if it had been held for very long."""
        held = self._server.signals.held
        if delivery.id in held:
            held[delivery.id] = Held(self._consumer, 0)

    async def postpone(self, delivery: Delivery, run: RunId, delay_ms: int) -> None:
        """Put a `continue` on the clock."""
        if self._server.epoch and self._server.signals.remove(delivery.id):
            due = Millis(self._server.clock.now() + delay_ms)
            self._server.timers.setdefault(Armed(run, CONTINUE_TIMER, 0), due)

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Put signals on the stream."""
        self._server.send(bodies)

    async def intake(self, block_ms: int) -> int:
        """Move signals off the public list."""
        taken = self._server.take_pushed()
        while not taken and block_ms and await self._server.arrival(block_ms):
            taken = self._server.take_pushed()
        self._server.send(taken)
        return len(taken)

    def _read(self, count: int) -> list[Delivery]:
        return [
            Delivery(*entry) for entry in self._server.signals.read(self._consumer, count, self._server.clock.now())
        ]
