"""Partitions whose server is away, as a process sees them."""

from __future__ import annotations

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.faults import unavailable
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.wire import Answer


class Unreachable(Connection):
    """A connection to nobody."""

    async def exchange(self, data: bytes, answers: int, patience_s: float = 0) -> list[Answer]:
        raise unavailable("SRV001", "nobody is there.")


def without(partitions: Partitions, *away: int) -> Partitions:
    """The same partitions, but for some that cannot be reached."""
    count, nobody = len(partitions.all), Unreachable(partitions.public.address)
    members = [Partition(nobody, each.number, count) if each.number in away else each for each in partitions.all]
    return Partitions(members, partitions.public)
