"""Every partition of a deployment: on one server, or on the nodes of a Redis Cluster that serve them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Self

from pointsman.adapters.redis.address import Address, read_addresses
from pointsman.adapters.redis.checks import check_server, is_cluster
from pointsman.adapters.redis.clock import RedisClock
from pointsman.adapters.redis.connection import Connection, Seat
from pointsman.adapters.redis.keys import PUSHED, Keyspace, slot_of
from pointsman.adapters.redis.partition import SCRIPTS, Partition
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.topology import Topology
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import RunId, partition_of


class Partitions:
    """Made by `open`. On one server they share a connection; on a cluster each has its own, to whoever serves it."""

    def __init__(self, members: Sequence[Partition], public: Connection) -> None:
        self.all = tuple(members)
        """By number."""
        self.public = public
        """To where the public list is."""
        self.warnings: list[str] = []
        """What is allowed of the servers but worth telling their operator, found by `open`."""

    @classmethod
    async def open(cls, url: str, count: int = 1) -> Self:
        """Connect to all of so many partitions, check that their servers are fit, and join the epochs they are in.

        Those whose server is away are joined once it is there, as if it had been lost later: `warnings` says which.

        Raises:
            ServerUnavailable: SRV001 to SRV018, one line that says what to do. Every server is away, or one will never
                do.
        """
        partitions = await cls.connected(url, count)
        try:
            partitions.warnings = await partitions.check()
            await partitions.each(Partition.join)
        except BaseException:
            await partitions.aclose()
            raise
        return partitions

    @classmethod
    async def connected(cls, url: str, count: int = 1) -> Self:
        """The same without a look at the servers, but at whether they are a cluster. Raises `ServerUnavailable`."""
        scripts = [script(name) for name in SCRIPTS]
        seeds = read_addresses(url)
        if count > 1 and await _cluster_at(seeds):
            topology = Topology(seeds, _slots)
            seats = [Seat(topology, Keyspace(number, count).slot) for number in range(count)]
            own = [Connection(seeds[0], scripts, seat) for seat in seats]
            public = Connection(seeds[0], seat=Seat(topology, slot_of(PUSHED)))
        else:
            public = Connection(seeds[0], scripts)
            own = [public] * count
        return cls([Partition(each, number, count) for number, each in enumerate(own)], public)

    @property
    def clock(self) -> RedisClock:
        """The first partition's; the clocks of a cluster's nodes are taken to agree."""
        return self.all[0].clock

    def of(self, run: RunId) -> Partition:
        """The partition of a run."""
        return self.all[partition_of(run, len(self.all))]

    def split(self, runs: Iterable[RunId]) -> dict[int, list[RunId]]:
        """Runs by the numbers of their partitions, in the order given."""
        found: dict[int, list[RunId]] = {}
        for run in runs:
            found.setdefault(partition_of(run, len(self.all)), []).append(run)
        return found

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in {self.public, *(partition.connection for partition in self.all)}:
            await connection.aclose()

    async def check(self) -> list[str]:
        """See that every server is fit, each looked at once: what is allowed but worth telling. Raises as `open`."""
        # Who serves a partition is known once it is connected.
        away = await self.each(lambda partition: partition.connection.ask("PING"))
        there = [partition.connection for partition in self.all if partition.number not in away]
        servers: dict[Address, Connection] = {connection.address: connection for connection in there}
        found = [text for each in servers.values() for text in await check_server(each, len(self.all))]
        missing = f"partitions {', '.join(map(str, away))} of {len(self.all)} are away:"
        return [*found, *(f"{missing} {why}" for why in list(away.values())[:1])]

    async def each(self, step: Callable[[Partition], Awaitable[object]]) -> dict[int, ServerUnavailable]:
        """Take a step in every partition; why it could not be taken in some. Raises where it was in none."""
        told = await asyncio.gather(*map(step, self.all), return_exceptions=True)
        away: dict[int, ServerUnavailable] = {}
        for number, why in enumerate(told):
            if isinstance(why, ServerUnavailable) and why.retryable:
                away[number] = why
            elif isinstance(why, BaseException):
                raise why
        if len(away) == len(self.all):
            raise away[0]
        return away


async def _cluster_at(seeds: Sequence[Address]) -> bool:
    """Whether the first of these servers that answers is a node of a cluster."""
    for place, address in enumerate(seeds):
        connection = Connection(address)
        try:
            return await is_cluster(connection)
        except ServerUnavailable:
            if place + 1 == len(seeds):
                raise
        finally:
            await connection.aclose()
    return False


async def _slots(address: Address) -> Answer:
    connection = Connection(address)
    try:
        return await connection.ask("CLUSTER", "SLOTS")
    finally:
        await connection.aclose()
