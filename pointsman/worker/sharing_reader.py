"""Reads the tasks of one type in one of several partitions, never more than there are slots free for all of them."""

from __future__ import annotations

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
    worker with one slot would be given several. So this one takes without waiting, when it has reserved slots, and
    waits without taking.
    """

    async def _until_open(self) -> None:
        await super()._until_open()
        await self._connection.ask("PING")  # connects: that may take its time, and no slots are reserved yet

    async def _turn(self) -> None:
        if self._is_silent:
            await self._connection.ask("PING")
            self._slots.silent.discard(self._connection.address)
        count = await self._slots.reserve()
        try:
            if self._drain.is_set() or self._is_silent:
                return
            tail, entries = await self._take(count)
        except ServerUnavailable:
            self._slots.silent.add(self._connection.address)
            raise
        finally:
            self._slots.give(count)
        is_idle = not self._is_cut_off and len(entries) < count
        # Nobody else runs between the slots being given back and those of the entries being occupied.
        self._begin_all(entries)
        if is_idle:
            await self._wait(tail)

    @property
    def _is_silent(self) -> bool:
        return self._connection.address in self._slots.silent

    async def _take(self, count: int) -> tuple[bytes, list[Entry]]:
        """The stream's last id as it was before, and what there was to take."""
        read = ("XREADGROUP", "GROUP", WORKERS, self._consumer, "COUNT", count, "STREAMS", self._stream, self._after)
        commands: list[Command] = [("XREVRANGE", self._stream, "+", "-", "COUNT", 1), read]
        last, answer = await self._connection.exchange(pack(commands), len(commands), _TAKING_S)
        found = self._connection.checked(last)
        return found[0][0] if found else b"0", await self._entries(answer)

    async def _wait(self, tail: bytes) -> None:
        """Until something stands on the stream behind `tail`, or some time: who knows whether its ids go on from there.

        Slots are left to others meanwhile.
        """
        command = ("XREAD", "BLOCK", reader.BLOCK_MS, "COUNT", 1, "STREAMS", self._stream, tail)
        await self._connection.ask(*command, patience_s=reader.BLOCK_MS / 1_000 + reader.PATIENCE_S)
