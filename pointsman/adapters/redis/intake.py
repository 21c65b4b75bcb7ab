"""RoutedIntake: from the public list to the stream of each signal's partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable, SignalRejected
from pointsman.protocol.signal import decode_signal

BATCH: Final = 64
"""How many signals are taken off each list at once: unlike those of one partition, they pass through this process."""
_GRACE_S: Final = 10.0
_LEAST_BLOCK_MS: Final = 10
"""As in `signal_source`."""
_PAUSE_S: Final = 0.1
_PATIENCE_S: Final = 1.0
"""How long a partition may take: the others' signals wait meanwhile."""
_AWAY_S: Final = 1.0
"""How long one that took nothing is left alone."""
_MEMORY_IS_FULL: Final = "SRV008"


class RoutedIntake:
    """Adds a signal to the stream first and removes it from the list then: a crash between them doubles it, which
    changes nothing.

    Signals of a partition that takes none now stay on the list, and those behind them come first. What names no run
    goes to partition 0, to be rejected there.
    """

    def __init__(self, partitions: Partitions, is_ours: Callable[[], bool]) -> None:
        """`is_ours` says whether this process may still remove what it added: another may be at it by now."""
        self._partitions = partitions
        self._is_ours = is_ours
        self._public = partitions.public
        self._waiting = partitions.public.sibling()
        keys = partitions.all[0].keys
        self._pushed, self._staging = keys.pushed, keys.staging
        self._passed_over = {self._staging: 0, self._pushed: 0}
        """Of each list, how many signals at its head stay for now."""
        self._away_until: dict[int, float] = {}
        """Partitions that took nothing, and when they are asked again."""

    async def intake(self, block_ms: int) -> int:
        """Move signals off the public list, waiting for the first; how many moved."""
        moved, stayed = await self._walk()
        if moved or not block_ms:
            return moved
        seconds = max(block_ms, _LEAST_BLOCK_MS) / 1000
        if stayed:
            await asyncio.sleep(min(seconds, _PAUSE_S))
            return 0
        try:
            await self._waiting.ask(
                "BLMOVE", self._pushed, self._staging, "LEFT", "RIGHT", str(seconds), patience_s=seconds + _GRACE_S
            )
        except ServerUnavailable as why:
            if why.code != _MEMORY_IS_FULL:
                raise
            await asyncio.sleep(min(seconds, _PAUSE_S))
        return (await self._walk())[0]

    async def wake(self) -> None:
        """Let an intake that waits return now."""
        await self._public.wake(self._waiting)

    async def aclose(self) -> None:
        """Close its connection."""
        await self._waiting.aclose()

    async def _walk(self) -> tuple[int, int]:
        """Go on over the lists until something moved or they end; how many moved, and how many stayed before them."""
        moved, is_at_end = 0, False
        while not (moved or is_at_end):
            moved, is_at_end = await self._move()
        stayed = sum(self._passed_over.values())
        if is_at_end:
            self._passed_over = dict.fromkeys(self._passed_over, 0)
        return moved, stayed

    async def _move(self) -> tuple[int, bool]:
        """Move the next signals of each list that can be; how many, and whether these were the last."""
        asked: list[Command] = [("LRANGE", name, at, at + BATCH - 1) for name, at in self._passed_over.items()]
        found: list[list[bytes]] = await self._public.ask_all(asked)
        put = await self._put([body for bodies in found for body in bodies])
        removed: list[Command] = []
        for name, bodies in zip(self._passed_over, found, strict=True):
            moved = [body for body in bodies if body in put] if self._is_ours() else []
            removed += [("LREM", name, 1, body) for body in moved]
            self._passed_over[name] += len(bodies) - len(moved)
        await self._public.ask_all(removed)
        return len(removed), all(len(bodies) < BATCH for bodies in found)

    async def _put(self, bodies: list[bytes]) -> set[bytes]:
        """Put signals on the streams of their partitions; those that stand there now."""
        split: dict[int, list[bytes]] = {}
        for body in bodies:
            split.setdefault(self._partition_of(body), []).append(body)
        took = await asyncio.gather(*(self._take(number, few) for number, few in split.items()))
        return {body for few, is_taken in zip(split.values(), took, strict=True) if is_taken for body in few}

    def _partition_of(self, body: bytes) -> int:
        try:
            return self._partitions.of(decode_signal(body).run_id).number
        except SignalRejected:
            return 0

    async def _take(self, number: int, bodies: list[bytes]) -> bool:
        """Whether a partition took signals: not while it is being recovered, or its server is away."""
        partition = self._partitions.all[number]
        if monotonic() < self._away_until.get(number, 0.0):
            return False
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await partition.admit()
                status, _ = await partition.run("put_signals", (partition.keys.signals,), tuple(bodies))
        except (ServerUnavailable, TimeoutError):
            status = ""
        if status != "put":
            self._away_until[number] = monotonic() + _AWAY_S
        return status == "put"
