"""RedisRepair: one run of an open partition taken away and written back, by the scripts that recovery has for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Final

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.wire import Answer
from pointsman.base.ids import RunId

_PAGE: Final = 500


class RedisRepair(RedisRecovery):
    """The adapter of `pointsman.ports.recovery.RepairStore`; the docstrings there hold here.

    Recovery writes behind the closed fence, and is guarded by the epoch that it prepares; this by the one that is open.
    """

    def __init__(self, partition: Partition) -> None:
        super().__init__(partition)
        self._guard = partition.keys.epoch

    async def begin(self) -> None:
        """Let what follows hold in the epoch that is open now."""
        await self._connection.load_scripts()
        self._epoch = int(self._partition.epoch or 0)

    async def has_events(self, run: RunId) -> bool:
        """Look through the events stream, which is short but where the journal is behind."""
        async for _, fields in self._entries(self._keys.events):
            if fields.get(b"run_id") == run.encode():
                return True
        return False

    async def sweep(self, run: RunId, types: Collection[str]) -> None:
        """Look through the task streams of these types."""
        for name in types:
            stream = self._keys.tasks(name)
            async for entry, fields in self._entries(stream):
                if fields.get(b"run_id") == run.encode():
                    await self._connection.ask_all([("XACK", stream, WORKERS, entry), ("XDEL", stream, entry)])

    async def _entries(self, stream: str) -> AsyncIterator[tuple[bytes, dict[bytes, bytes]]]:
        after = "-"
        while True:
            page: list[Answer] = await self._connection.ask("XRANGE", stream, after, "+", "COUNT", _PAGE)
            for entry, flat in page:
                yield entry, dict(pairs(flat))
            if len(page) < _PAGE:
                return
            after = f"({page[-1][0].decode()}"
