"""Which node of a Redis Cluster serves a slot, as the cluster itself says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pointsman.adapters.redis.address import Address
from pointsman.adapters.redis.faults import unserved
from pointsman.adapters.redis.wire import Answer
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Asking = Callable[[Address], Awaitable[Answer]]
    """Asks one node for `CLUSTER SLOTS`."""

_FRESH_S: Final = 0.5
"""How long what the cluster said is believed: who asks has just found a node gone, or a slot elsewhere."""


class Topology:
    """The nodes of one cluster. Asked for whenever somebody connects, twice a second at most."""

    def __init__(self, seeds: Sequence[Address], asking: Asking) -> None:
        self._seeds = list(seeds)
        self._asking = asking
        self._ranges: list[tuple[int, int, Address]] = []
        self._asked_at = float("-inf")
        self._answered: list[Address] = []
        """The one that did last."""
        self._lock = asyncio.Lock()

    async def node(self, slot: int) -> Address:
        """The primary that serves a slot.

        Raises:
            ServerUnavailable: No node can be asked, or SRV018, none serves it.
        """
        async with self._lock:
            if monotonic() - self._asked_at > _FRESH_S:
                await self._ask()
        for first, last, address in self._ranges:
            if first <= slot <= last:
                return address
        raise unserved(self._seeds[0], slot)

    async def _ask(self) -> None:
        """Ask the nodes in turn until one answers.

        First the one that did last: one that hangs costs seconds, and whoever connects meanwhile waits as well. Then
        known ones: those in the URL may be gone by now.
        """
        known = list(dict.fromkeys(self._answered + [address for *_, address in self._ranges] + self._seeds))
        for place, address in enumerate(known):
            try:
                slots = await self._asking(address)
            except ServerUnavailable:
                if place + 1 == len(known):
                    raise
            else:
                self._ranges = [_range(told, address) for told in slots]
                self._answered, self._asked_at = [address], monotonic()
                return


def _range(told: Answer, asked: Address) -> tuple[int, int, Address]:
    """One range of `CLUSTER SLOTS`. A node that does not know its own address is the one that was asked."""
    first, last, (host, port, *_), *_ = told
    return int(first), int(last), asked._replace(host=host.decode() if host else asked.host, port=int(port))
