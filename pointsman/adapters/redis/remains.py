"""What Redis holds of a layout with some other number of partitions."""

from __future__ import annotations

import asyncio

from pointsman.adapters.redis.checks import is_cluster
from pointsman.adapters.redis.partitions import Partitions


async def is_in_use(url: str, partitions: int) -> bool:
    """Whether any of so many partitions was opened on these servers, and not emptied since.

    Raises `ServerUnavailable`: a server cannot be asked.
    """
    there = await Partitions.connected(url, partitions)
    try:
        if partitions == 1 and await is_cluster(there.public):
            return False  # a cluster is never used without partitions
        asked = (each.connection.ask("EXISTS", each.keys.epoch, each.keys.server) for each in there.all)
        return any(await asyncio.gather(*asked))
    finally:
        await there.aclose()
