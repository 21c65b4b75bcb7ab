"""Which tasks a worker has taken: what tells a node that runs from one that waits for a worker."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command, pack
from pointsman.adapters.redis.partition import Partition
from pointsman.base.ids import RunId, TokenId


class RedisTaken:
    """Asks the task streams. Only a look: a moment later another worker may have it, or none."""

    def __init__(self, partition: Partition) -> None:
        self._connection = partition.connection
        self._keys = partition.keys

    async def of(self, run: RunId, types: Mapping[TokenId, str]) -> frozenset[TokenId]:
        """Those of a run's dispatched tokens, given with the types of their tasks, that a worker has taken.

        Raises:
            ServerUnavailable: Redis cannot be asked.
        """
        if not types:
            return frozenset()
        records = await self._connection.ask("HMGET", self._keys.state(run)[2], *types)
        entries = {
            token: record.partition(b" ")[0].decode()
            for token, record in zip(types, records, strict=True)
            if record is not None
        }
        asked: list[Command] = [
            ("XPENDING", self._keys.tasks(types[token]), WORKERS, entry, entry, 1) for token, entry in entries.items()
        ]
        answers = await self._connection.exchange(pack(asked), len(asked)) if asked else []
        return frozenset(
            token for token, answer in zip(entries, answers, strict=True) if isinstance(answer, list) and answer
        )
