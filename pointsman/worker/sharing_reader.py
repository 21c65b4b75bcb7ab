"""Reads the tasks of one type in one of several partitions, never more than there are slots free for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command, pack
from pointsman.base.errors import ServerUnavailable
from pointsman.worker import reader
from pointsman.worker.execution import Entry
from pointsman.worker.reader import Reader

_TAKING_S: Final = 1.0
"""How long slots may be reserved for a node that does not answer: meanwhile the others' tasks cannot have them."""


class SharingReader(Reader):
    """One of the readers that share a worker's slots.

    A read that blocks is given tasks whenever they come, and as many of those wait at once as there are partitions: a
    worker with one slot would be given several. So this one reads only with slots of its own. While there are plenty
    it is lent some, and waits with a read that takes what comes. Else it reserves some, takes what is there, gives the
    rest back, and waits with a read that takes nothing.
    """

    _is_calm = False
    """Whether the last read left nothing on the stream."""
    _waking: asyncio.Task[None] | None = None

    async def _until_open(self) -> None:
        await super()._until_open()
        await self._connection.ask("PING")  # connects: that may take its time, and no slots are reserved yet

    async def _turn(self) -> None:
        if self._is_silent:
            await self._connection.ask("PING")
            self._slots.silent.discard(self._connection.address)
        if self._is_calm and not self._is_cut_off and self._slots.can_lend:
            await self._stand_by()
        else:
            await self._take_turns()

    @property
    def _is_silent(self) -> bool:
        return self._connection.address in self._slots.silent

    async def _stand_by(self) -> None:
        """Wait for tasks with slots that were lent."""
        self._slots.lend(self._recall)
        try:
            with self._hearing():
                entries = await self._read(self._slots.share, _TAKING_S)
        finally:
            self._slots.give_back(self._recall)
        self._is_calm = len(entries) < self._slots.share
        # Nobody else runs between the slots being given back and those of the entries being occupied.
        self._begin_all(entries)

    def _recall(self) -> None:
        """Let the read that waits end, for the sake of its slots."""
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        with suppress(ServerUnavailable):
            await self._partition.connection.wake(self._connection)

    async def _take_turns(self) -> None:
        """Take what there is with slots that are reserved for it, in turn with other readers."""
        count = await self._slots.reserve()
        try:
            if self._drain.is_set() or self._is_silent:
                return
            with self._hearing():
                tail, entries = await self._take(count)
        finally:
            self._slots.give(count)
        self._is_calm = not self._is_cut_off and len(entries) < count
        self._begin_all(entries)
        if self._is_calm and not self._slots.can_lend:
            await self._watch(tail)

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        """Note where a server has cost time that it was given slots for."""
        try:
            yield
        except ServerUnavailable:
            self._slots.silent.add(self._connection.address)
            raise

    async def _take(self, count: int) -> tuple[bytes, list[Entry]]:
        """What there was to take, and after it: the last id on the stream, as far as all up to there has been taken."""
        read = ("XREADGROUP", "GROUP", WORKERS, self._consumer, "COUNT", count, "STREAMS", self._stream, self._after)
        commands: list[Command] = [("XREVRANGE", self._stream, "+", "-", "COUNT", 1), read]
        last, answer = await self._connection.exchange(pack(commands), len(commands), _TAKING_S)
        found, entries = self._connection.checked(last), await self._entries(answer)
        # What came between the two is among the entries.
        tail = entries[-1] if entries else found[0] if found else (b"0",)
        return tail[0], entries

    async def _watch(self, tail: bytes) -> None:
        """Until something stands on the stream behind `tail`, or some time: who knows whether its ids go on from there.

        Slots are left to others meanwhile.
        """
        command = ("XREAD", "BLOCK", reader.BLOCK_MS, "COUNT", 1, "STREAMS", self._stream, tail)
        await self._connection.ask(*command, patience_s=reader.BLOCK_MS / 1_000 + reader.PATIENCE_S)
