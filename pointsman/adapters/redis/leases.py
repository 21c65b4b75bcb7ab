"""PartitionLeases: which process of a role serves which partition, kept in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable
from pointsman.ports.leases import RENEW_EVERY_MS, TTL_MS, Release, Role

_PATIENCE_S: Final = RENEW_EVERY_MS / 1000
_GRACE_S: Final = 1.0

_Asking = Callable[[Partition], Awaitable[list[Answer]]]


class PartitionLeases:
    """The adapter of `pointsman.ports.leases.Leases`; the docstrings there hold here.

    A lease is a key of its partition that expires; who is a member, and that something changed, stands in partition 0.
    All times are those of the servers.
    """

    def __init__(self, partitions: Partitions, role: Role, consumer: str) -> None:
        self._partitions = partitions.all
        self._role = role
        self._consumer = consumer
        self._member = ""
        """The consumer as it was last counted among the members."""
        first = partitions.all[0]
        self._first = first
        self._members = first.keys.members(role)
        self._changes = first.keys.member_changes(role)
        self._waiting = first.connection.sibling()
        self._seen: Answer = "0-0"

    @property
    def me(self) -> str:
        """The consumer."""
        return self._consumer

    async def join(self, release: Release) -> Mapping[str, Release]:
        """Be a member, and forget those whose time is over."""
        self._member = "{}.{} {}".format(*release, self._consumer)
        keys, told = (self._members, self._changes), (self._member, TTL_MS)
        _, *members = await self._first.connection.run(script("join_members"), keys, told)
        return dict(_read(member.decode()) for member in members)

    async def leave(self) -> None:
        """Be no member."""
        await self._first.connection.ask("ZREM", self._members, self._member)
        await self._tell()

    async def holders(self, partitions: Collection[int]) -> dict[int, str | None]:
        """Who holds these partitions."""
        told = await self._of_each(partitions, self._holder)
        return {number: holder.decode() if holder else None for number, (holder,) in told.items()}

    async def hold(self, partitions: Collection[int]) -> dict[int, str]:
        """Take or renew."""
        told = await self._of_each(partitions, self._hold)
        return {number: holder[0].decode() if holder else self._consumer for number, (_, *holder) in told.items()}

    async def release(self, partitions: Collection[int]) -> None:
        """Give up, and tell. Where the others cannot be told, they find out when they look."""
        await self._of_each(partitions, self._release)
        await _in_time(self._tell())

    async def changed(self, within_ms: int) -> None:
        """Wait for news."""
        answer = await self._waiting.ask(
            "XREAD", "BLOCK", within_ms, "STREAMS", self._changes, self._seen, patience_s=within_ms / 1000 + _GRACE_S
        )
        if answer:
            self._seen = answer[0][1][-1][0]

    async def aclose(self) -> None:
        """Close its connection. What it holds ends by itself."""
        await self._waiting.aclose()

    async def _holder(self, partition: Partition) -> list[Answer]:
        return [await partition.connection.ask("GET", partition.keys.holder(self._role))]

    async def _hold(self, partition: Partition) -> list[Answer]:
        lease, told = partition.keys.holder(self._role), (self._consumer, TTL_MS)
        answer: list[Answer] = await partition.connection.run(script("hold_lease"), (lease,), told)
        return answer

    async def _release(self, partition: Partition) -> list[Answer]:
        lease = partition.keys.holder(self._role)
        answer: list[Answer] = await partition.connection.run(script("release_lease"), (lease,), (self._consumer,))
        return answer

    async def _tell(self) -> list[Answer]:
        return [await self._first.connection.ask("XADD", self._changes, "MAXLEN", 1, "*", "by", self._consumer)]

    async def _of_each(self, partitions: Collection[int], ask: _Asking) -> dict[int, list[Answer]]:
        """The answers of those partitions that answer in time."""
        answers = await asyncio.gather(*(_in_time(ask(self._partitions[number])) for number in partitions))
        return {number: told for number, told in zip(partitions, answers, strict=True) if told is not None}


def _read(member: str) -> tuple[str, Release]:
    release, _, consumer = member.partition(" ")
    protocol, _, plan_format = release.partition(".")
    return consumer, (int(protocol), int(plan_format))


async def _in_time(asked: Awaitable[list[Answer]]) -> list[Answer] | None:
    """An answer; None where a server cannot give it, or takes so long that it is not worth waiting for."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await asked
    except (ServerUnavailable, TimeoutError):
        return None
