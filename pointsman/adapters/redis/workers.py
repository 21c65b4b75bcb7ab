"""Registered workers: who is alive, and what the dead hold (SEMANTICS §6, leases)."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition

CONSUMER: Final = re.compile(r"[A-Za-z0-9._:@-]{1,200}\Z")
"""What a consumer may be called: it goes into signals as it is."""
REPORTED_AT_ONCE: Final = 1_000
"""Tasks of one stream that one look at a dead worker reports; the next look takes the rest."""


class Holding(NamedTuple):
    """A task as a worker has it."""

    type: str
    entry: str
    """Its id on the stream of its type."""


class WorkerRegistry:
    """Leases of worker processes. A worker whose lease ends is dead, and what it held is handed out again."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._keys = partition.keys

    async def register(self, consumer: str, types: Collection[str], lease_ms: int) -> None:
        """Announce a worker and begin its lease. Registering again replaces its types.

        Raises:
            ValueError: The consumer's name has characters that `CONSUMER` does not allow.
        """
        if not CONSUMER.match(consumer):
            raise ValueError(f"a worker cannot be called {consumer!r}: letters, digits and ._:@- are allowed")
        await self._partition.know_types(types)
        await self._partition.connection.ask_all(
            [
                ("SET", self._keys.lease(consumer), "1", "PX", lease_ms),
                ("HSET", self._keys.workers, consumer, " ".join(sorted(types))),
            ]
        )

    async def renew(self, consumer: str, lease_ms: int, holds: Sequence[Holding] = ()) -> list[Holding] | None:
        """Renew a lease.

        Returns:
            Those of `holds` that are no longer the worker's: closed, cancelled or handed to another. None where the
            worker is not registered (any more): it was taken for dead and must register again.
        """
        lease: Command = ("SET", self._keys.lease(consumer), "1", "PX", lease_ms)
        still: list[Command] = [
            ("XPENDING", self._keys.tasks(task_type), WORKERS, entry, entry, 1, consumer) for task_type, entry in holds
        ]
        asked: list[Command] = [lease, ("HEXISTS", self._keys.workers, consumer), *still]
        _, registered, *held = await self._partition.connection.ask_all(asked)
        if not registered:
            await self._partition.connection.ask("DEL", self._keys.lease(consumer))
            return None
        return [holding for holding, pending in zip(holds, held, strict=True) if not pending]

    async def unregister(self, consumer: str) -> None:
        """End a lease in good order: the worker holds nothing and reads no more."""
        await self._partition.connection.ask_all(
            [("HDEL", self._keys.workers, consumer), ("DEL", self._keys.lease(consumer))]
        )

    async def registered(self) -> dict[str, tuple[str, ...]]:
        """The types of each registered worker, dead ones included until they are forgotten."""
        flat = await self._partition.connection.ask("HGETALL", self._keys.workers)
        names = [text.decode() for text in flat]
        return {name: tuple(types.split()) for name, types in zip(names[::2], names[1::2], strict=True)}

    async def lost(self) -> dict[str, tuple[str, ...]]:
        """Registered workers whose lease has ended, with their types."""
        workers = await self.registered()
        alive = await self._partition.connection.ask_all([("EXISTS", self._keys.lease(name)) for name in workers])
        return {name: types for (name, types), here in zip(workers.items(), alive, strict=True) if not here}

    async def report_lost(self, consumer: str, types: Collection[str]) -> int:
        """Send `worker_lost` for everything a dead worker holds; how many tasks that were.

        To be called for what `lost` answers, again and again: a worker that is found to hold nothing is forgotten, one
        that lives again is left alone.
        """
        streams = tuple(self._keys.tasks(name) for name in sorted(types))
        keys = (self._keys.workers, self._keys.lease(consumer), self._keys.signals, *streams)
        status, rest = await self._partition.run("report_lost", keys, (consumer, REPORTED_AT_ONCE))
        return int(rest[0]) if status == "reported" else 0
