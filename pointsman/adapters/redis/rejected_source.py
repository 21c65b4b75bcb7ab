"""Signals that were set aside, until they are written down; and the way back for those that somebody redrives."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.keys import PUSHED
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs
from pointsman.adapters.redis.wire import Answer
from pointsman.ports.dead_letters import RejectedSignal


class RedisRejectedSource:
    """The adapter of `pointsman.ports.dead_letters.RejectedSource`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._connection = partition.connection
        self._stream = partition.keys.rejected
        self._partition = partition.number

    async def read(self, count: int) -> list[RejectedSignal]:
        """The first of them."""
        entries = await self._connection.ask("XRANGE", self._stream, "-", "+", "COUNT", count)
        return [_signal(entry)._replace(partition=self._partition) for entry in entries]

    async def remove(self, signals: Sequence[RejectedSignal]) -> None:
        """Take signals off the stream."""
        if signals:
            await self._connection.ask("XDEL", self._stream, *(signal.entry for signal in signals))


class PushedSignals:
    """The public list, as a worker in any language knows it: from there signals go their way."""

    def __init__(self, public: Connection) -> None:
        self._public = public

    async def push(self, *signals: bytes) -> None:
        """Push signals. Raises `ServerUnavailable`; then they may be there or not."""
        await self._public.ask("RPUSH", PUSHED, *signals)


def _signal(entry: Answer) -> RejectedSignal:
    """An entry, whatever somebody may have put there by hand."""
    name, flat = entry
    fields = dict(pairs(flat))
    signal, length = fields.get(b"signal", b""), fields.get(b"length", b"")
    return RejectedSignal(
        name.decode(),
        signal,
        int(length) if length.isdigit() and len(length) < 19 else len(signal),
        fields.get(b"code", b"").decode(errors="replace"),
        fields.get(b"reason", b"").decode(errors="replace"),
    )
