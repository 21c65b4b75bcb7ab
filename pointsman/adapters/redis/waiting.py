"""How long what came in has been waiting in Redis."""

from __future__ import annotations

import asyncio

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.ids import Millis


async def waits_since(partitions: Partitions) -> Millis | None:
    """When the oldest signal or event came that nobody has finished with; None where there is none.

    Entries of the public list do not say when they came: as long as there are any it is taken to be long ago. Raises
    `ServerUnavailable` where any partition cannot be asked: what waits there is not known.
    """
    keys = partitions.all[0].keys
    # In the direction that signals go: what moves on meanwhile is seen where it arrives.
    if any(await partitions.public.ask_all([("LLEN", keys.pushed), ("LLEN", keys.staging)])):
        return Millis(0)
    streams = await asyncio.gather(*map(_oldest, partitions.all))
    return min((oldest for oldest in streams if oldest is not None), default=None)


async def _oldest(partition: Partition) -> Millis | None:
    """The same of the streams of one partition."""
    keys = partition.keys
    streams = await partition.connection.ask_all(
        [("XRANGE", keys.signals, "-", "+", "COUNT", 1), ("XRANGE", keys.events, "-", "+", "COUNT", 1)]
    )
    first = [int(entries[0][0].partition(b"-")[0]) for entries in streams if entries]
    return Millis(min(first)) if first else None
