"""RedisSignalSource: the signals stream as one consumer of the group sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pointsman.adapters.redis.keys import COORDINATORS
from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.ports.signal_source import Delivery

REJECTED_KEPT: Final = 10_000
"""How many signals that were set aside are kept, the newest."""
REJECTED_BYTES: Final = 65_536
"""How much is kept of each."""
INTAKE_BATCH: Final = 500
_GRACE_S: Final = 10.0
_LEAST_BLOCK_MS: Final = 10
"""Redis 6.2 rounds the timeout of BLMOVE down to milliseconds, and takes 0.001 for zero: for ever."""
_VERY_LONG_MS: Final = 86_400_000
_FULL_PAUSE_S: Final = 0.1
_MEMORY_IS_FULL: Final = "SRV008"
_GIVEN_BEFORE: Final = b"0"
_NEW: Final = b">"
_FROM_THE_START: Final = b"0-0"


class RedisSignalSource:
    """The adapter of `pointsman.ports.signal_source.SignalSource`; the docstrings there hold here.

    Every method raises `ServerUnavailable` where Redis cannot be used. Signals that a lost connection or a cancelled
    read took with it stay with the consumer: its next read returns them again, with all it has not acknowledged.
    """

    def __init__(self, partition: Partition, consumer: str) -> None:
        self._partition = partition
        self._keys = partition.keys
        self._consumer = consumer
        self._reading = partition.connection.sibling()
        self._moving = partition.connection.sibling()
        self._position = _GIVEN_BEFORE
        self._claimed_up_to = _FROM_THE_START

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        """Signals for this consumer; first those it was given before and never acknowledged."""
        while self._position != _NEW:
            found = await self._read(count, 0)
            self._position = found[-1][0] if found else _NEW
            if found := await self._without_deleted(found):
                return [_delivery(entry) for entry in found]
        return [_delivery(entry) for entry in await self._read(count, block_ms)]

    async def claim(self, min_idle_ms: int, count: int) -> list[Delivery]:
        """Signals of consumers that are gone."""
        self._claimed_up_to, entries, *_ = await self._partition.connection.ask(
            "XAUTOCLAIM",
            self._keys.signals,
            COORDINATORS,
            self._consumer,
            min_idle_ms,
            self._claimed_up_to,
            "COUNT",
            count,
        )
        return [_delivery(entry) for entry in entries if entry is not None]

    async def reject(self, delivery: Delivery, code: str, reason: str) -> None:
        """Set a signal aside; of a very long one its first 64 KiB."""
        keys = (self._keys.signals, self._keys.rejected)
        kept = delivery.body[:REJECTED_BYTES]
        told = (delivery.id, code, reason, kept, len(delivery.body), REJECTED_KEPT)
        await self._partition.run("reject_signal", keys, told)

    async def leave(self, delivery: Delivery) -> None:
        """Let the signal look as if it had been held for very long."""
        idle = ("IDLE", _VERY_LONG_MS, "JUSTID")
        own = (self._keys.signals, COORDINATORS, self._consumer, 0, delivery.id)
        await self._partition.connection.ask("XCLAIM", *own, *idle)

    async def postpone(self, delivery: Delivery, run: RunId, delay_ms: int) -> None:
        """Put a `continue` on the clock, beside the timers of runs."""
        keys = (self._keys.signals, self._keys.timers)
        await self._partition.run("postpone_signal", keys, (delivery.id, run, delay_ms))

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Put signals on the stream, all in one round trip."""
        commands: list[Command] = [("XADD", self._keys.signals, "*", "signal", body) for body in bodies]
        await self._partition.connection.ask_all(commands)

    async def intake(self, block_ms: int) -> int:
        """Move signals off the public list. What one process took off it and did not move, the next one moves."""
        moved = await self._move()
        if moved or not block_ms:
            return moved
        pushed, staging = self._keys.pushed, self._keys.staging
        seconds = max(block_ms, _LEAST_BLOCK_MS) / 1000
        try:
            await self._moving.ask(
                "BLMOVE", pushed, staging, "LEFT", "RIGHT", str(seconds), patience_s=seconds + _GRACE_S
            )
        except ServerUnavailable as why:
            if why.code != _MEMORY_IS_FULL:
                raise
            # BLMOVE is refused then, the script is not: signals must come in, they are what frees memory.
            await asyncio.sleep(min(seconds, _FULL_PAUSE_S))
        return await self._move()

    async def wake(self) -> None:
        """Let a read that waits return now."""
        await self._partition.connection.wake(self._reading)

    async def aclose(self) -> None:
        """Close its connections. What it has not acknowledged, another claims."""
        await self._reading.aclose()
        await self._moving.aclose()

    async def _read(self, count: int, block_ms: int) -> list[Answer]:
        block: Command = ("BLOCK", block_ms) if block_ms else ()
        group: Command = ("XREADGROUP", "GROUP", COORDINATORS, self._consumer, "COUNT", count, *block)
        try:
            answer = await self._reading.ask(
                *group, "STREAMS", self._keys.signals, self._position, patience_s=block_ms / 1000 + _GRACE_S
            )
        except BaseException:
            # Whatever was on its way counts as given to this consumer.
            self._position = _GIVEN_BEFORE
            raise
        entries: list[Answer] = answer[0][1] if answer else []
        return entries

    async def _without_deleted(self, entries: list[Answer]) -> list[Answer]:
        """Acknowledge entries that somebody deleted without acknowledging them; the others."""
        gone = [name for name, fields in entries if fields is None]
        if gone:
            await self._partition.connection.ask("XACK", self._keys.signals, COORDINATORS, *gone)
        return [entry for entry in entries if entry[1] is not None]

    async def _move(self) -> int:
        keys = (self._keys.staging, self._keys.pushed, self._keys.signals)
        status, rest = await self._partition.run("intake", keys, (INTAKE_BATCH,))
        return int(rest[0]) if status == "moved" else 0


def _delivery(entry: Answer) -> Delivery:
    """An entry of the stream. One that is no signal has an empty body, and will be rejected."""
    name, fields = entry
    return Delivery(name.decode(), dict(pairs(fields)).get(b"signal", b""))
