"""Everything that serves one `Worker` in one partition: who reads its tasks, and who does them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.workers import Holding
from pointsman.worker.execution import Execution, Surroundings
from pointsman.worker.reader import Reader
from pointsman.worker.sharing_reader import SharingReader
from pointsman.worker.slots import Slots
from pointsman.worker.threads import Threads
from pointsman.worker.worker import Worker


class Staff:
    """What the crews of one worker share, one crew a partition: how many tasks it does at a time, and its threads."""

    def __init__(self, worker: Worker, size: int, partitions: int) -> None:
        """`size` is how many tasks where the worker does not say it."""
        self.worker = worker
        self.reads_alone = partitions == 1
        self.slots = Slots(worker.concurrency or size, partitions)
        self.threads = Threads(self.slots.free, f"handlers-{worker.type}")


class Crew:
    """A worker at work in one partition."""

    def __init__(
        self, staff: Staff, partition: Partition, consumer: str, around: Surroundings, drain: asyncio.Event
    ) -> None:
        worker, slots = staff.worker, staff.slots
        self.type = worker.type
        self._execution = Execution(worker.type, worker.handlers, slots, staff.threads, around)
        reader = Reader if staff.reads_alone else SharingReader
        self.reader = reader(partition, worker.type, consumer, slots, self._execution.begin, around.push, drain)

    async def finish(self) -> None:
        """Wait, after the drain began, until nothing more is read and nothing is running."""
        await self.reader.stopped.wait()
        await self._execution.finish()

    async def leave(self, patience_s: float) -> int:
        """Stop where it is; how many tasks that leaves unfinished."""
        unfinished = await self._execution.abandon(patience_s)
        await self.reader.aclose()
        return unfinished

    def holds(self) -> list[Holding]:
        """What it is working on; any thread may ask."""
        return [Holding(self.type, entry.decode()) for entry in self._execution.running]

    def close(self, gone: Sequence[Holding]) -> None:
        """Tell its handlers which results are no longer wanted."""
        for holding in gone:
            if holding.type == self.type:
                self._execution.close(holding.entry.encode())
