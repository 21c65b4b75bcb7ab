"""Reads the tasks of one type, never more than there are slots free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import hiredis
import structlog

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import pack
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.wire import Answer
from pointsman.service import pause
from pointsman.worker.execution import Entry
from pointsman.worker.slots import Slots

log = structlog.get_logger()

BLOCK_MS: Final = 1_000
"""How long one read waits. A drain waits for it too: Redis may have given tasks to a read that is broken off."""
PATIENCE_S: Final = 10.0
_CLOSED_S: Final = 0.1


class Reader:
    """One consumer of the group `workers` on one task stream, with a connection of its own."""

    def __init__(
        self,
        partition: Partition,
        task_type: str,
        consumer: str,
        slots: Slots,
        begin: Callable[[Entry], None],
        begun: Callable[[], None],
        drain: asyncio.Event,
    ) -> None:
        self._partition = partition
        self._connection = partition.connection.sibling()
        self._type = task_type
        self._stream = partition.keys.tasks(task_type)
        self._consumer = consumer
        self._slots = slots
        self._begin = begin
        self._begun = begun
        self._drain = drain
        self._last = b"0"
        self._is_cut_off = False
        self.stopped = asyncio.Event()
        """Set while it is not reading."""
        self.stopped.set()

    async def run(self) -> None:
        """Read and begin tasks until drained.

        Raises:
            ServerUnavailable: Redis cannot be used. Call it again: nothing is lost meanwhile.
        """
        self.stopped.clear()
        try:
            await self._until_open()
            while not self._drain.is_set():
                await self._turn()
        except BaseException:
            self._is_cut_off = True
            raise
        finally:
            self.stopped.set()

    async def aclose(self) -> None:
        """Close its connection."""
        await self._connection.aclose()

    async def _until_open(self) -> None:
        """Wait while Redis is being recovered: of what stands on its streams some may have been done long ago."""
        while not self._drain.is_set() and not await self._partition.rejoin():
            await pause(self._drain, _CLOSED_S)

    async def _turn(self) -> None:
        """Read as many as there are slots, and begin them."""
        count = await self._slots.some()
        if not self._drain.is_set():
            self._begin_all(await self._read(count))

    @property
    def _after(self) -> bytes:
        """What to read: new entries, or, after the last one that arrived, those that Redis gave away while the
        connection broke. Streams give entries out in order, so nothing that arrived before is among the latter."""
        return self._last if self._is_cut_off else b">"

    def _begin_all(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._last = entry[0]
            # An entry of the past without fields was closed meanwhile.
            if entry[1] is not None:
                self._begin(entry)
        self._begun()
        if self._is_cut_off and not entries:
            self._is_cut_off = False
            log.info("tasks_read_again", stream=self._stream)

    async def _read(self, count: int, patience_s: float = PATIENCE_S) -> list[Entry]:
        command = ("XREADGROUP", "GROUP", WORKERS, self._consumer, "COUNT", count, "BLOCK", BLOCK_MS)
        data = pack([(*command, "STREAMS", self._stream, self._after)])
        (answer,) = await self._connection.exchange(data, 1, BLOCK_MS / 1_000 + patience_s)
        return await self._entries(answer)

    async def _entries(self, answer: Answer) -> list[Entry]:
        """What an answer to XREADGROUP holds."""
        if isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOGROUP"):
            await self._make_group()
            return []
        streams = self._connection.checked(answer)
        return streams[0][1] if streams else []

    async def _make_group(self) -> None:
        """Redis lost state: nobody else may dispatch, and so make it, for a while."""
        await self._partition.rejoin()
        await self._partition.know_types({self._type})
