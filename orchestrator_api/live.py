"""What the resources work with that stands on Redis, in one partition or many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from pointsman.adapters.redis.backlog import RedisBacklog, RoutedBacklog, open_backlog
from pointsman.adapters.redis.congestion import open_congestion
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.rejected_source import PushedSignals
from pointsman.adapters.redis.repair import RedisRepair
from pointsman.adapters.redis.routed import open_store
from pointsman.adapters.redis.taken import RedisTaken
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.execute import Executor, Programs
from pointsman.execute.admission import Admission
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.congestion import Congestion
from pointsman.ports.run_store import RunStore
from pointsman.settings import Settings

_PATIENCE_S: Final = 3.0


class Live(NamedTuple):
    """Made by `open_live`."""

    partitions: Partitions
    store: RunStore
    executor: Executor
    pushed: PushedSignals
    backlog: RedisBacklog | RoutedBacklog
    congestion: Congestion

    async def admit(self, run: RunId) -> None:
        """Raise `ServerUnavailable` SRV061 while the partition of a run takes no change, as far as is known here."""
        await self.partitions.of(run).admit()

    async def closed(self) -> dict[int, str]:
        """Each partition that takes no change now, and why: it is asked."""
        told = await asyncio.gather(*map(_why_closed, self.partitions.all))
        return {number: why for number, why in enumerate(told) if why}

    def taken(self, run: RunId) -> RedisTaken:
        """Which tasks workers have, where a run lives."""
        return RedisTaken(self.partitions.of(run))

    def repairs(self, run: RunId) -> RedisRepair:
        """What takes a run away and writes it back, where it lives."""
        return RedisRepair(self.partitions.of(run))


@asynccontextmanager
async def open_live(settings: Settings, blobs: BlobStore) -> AsyncIterator[Live]:
    """What stands on the Redis that the settings name. Raises `ServerUnavailable`."""
    partitions = await Partitions.open(settings.redis_dsn, settings.partitions)
    try:
        store, congestion = open_store(partitions), open_congestion(partitions)
        # Half of what there is room for: the rest is for those that wait already.
        admission = Admission(congestion, max(1, settings.max_unread_tasks // 2))
        executor = Executor(store, Programs(store), blobs, settings.coordinator.inline_limit_bytes, admission)
        pushed = PushedSignals(partitions.public)
        yield Live(partitions, store, executor, pushed, open_backlog(partitions), congestion)
    finally:
        await partitions.aclose()


async def _why_closed(partition: Partition) -> str:
    """Empty for one that takes changes."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await partition.admit(anew=True)
    except ServerUnavailable as why:
        return str(why)
    except TimeoutError:
        return f"it has not answered within {_PATIENCE_S:g} s"
    return ""
