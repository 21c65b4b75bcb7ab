"""Holding: a process's share of the partitions, and one task at work on each that it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

import structlog

from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.execute.shares import are_at_rest, newest, shares
from pointsman.plan import canonical
from pointsman.ports.leases import RENEW_EVERY_MS, TTL_MS, Leases
from pointsman.protocol import version

log = structlog.get_logger()

_ROUND_S: Final = RENEW_EVERY_MS / 1000
_UNKNOWN: Final = "?"
"""Holds, in a view, what could not be asked for: somebody may."""


class Tenure:
    """The time for which a process holds a partition: until it is told to stop, or loses the lease."""

    def __init__(self, until: float) -> None:
        self.stop = asyncio.Event()
        """Set once what was begun is to be done, and nothing else begun."""
        self.until = until
        """When the lease ends unless it is renewed, on this process's own clock; rather too early."""

    @property
    def is_ours(self) -> bool:
        """Whether the lease is still this process's, as far as it can know."""
        return monotonic() < self.until


Serve = Callable[[int, Tenure], Awaitable[None]]
"""Serves a partition, and returns once it was told to stop and what it had begun is done. It raises nothing."""


class Holding:
    """Takes and renews leases, gives up what others lack, and serves what it holds and nothing else.

    A lease that ran out before it was renewed counts as lost, even where nobody took it: whoever was away for so long
    does not know what happened meanwhile. Where processes of a newer release are there, which understand more, those of
    this one hold nothing: what they would leave to the newer ones would lie where nobody else reads.
    """

    def __init__(
        self, leases: Leases, partitions: int, serve: Serve, drain: asyncio.Event, told: Callable[[int], object]
    ) -> None:
        """`told` hears how many partitions are held, whenever that changes."""
        self._leases = leases
        self._all = range(partitions)
        self._serve = serve
        self._drain = drain
        self._told = told
        self._served: dict[int, Tenure] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._at_rest: tuple[frozenset[str], int] | None = None
        """The members, and how many partitions were held, when all of them were last seen to be shared out."""

    async def run(self) -> None:
        """Hold a share until drained; then see what was begun to its end, each partition handed over as it is done."""
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep())
                while not self._drain.is_set():
                    await self._round()
                    await self._wait_for_change()
                await self._hand_over()
                keeping.cancel()
        finally:
            await self._abandon()

    async def _keep(self) -> None:
        """Renew what is held, whatever else there is to wait for."""
        while True:
            await self._renew()
            await asyncio.sleep(_ROUND_S)

    async def _renew(self) -> None:
        held, began = self._held(), monotonic()
        for number in self._served.keys() - set(held):
            self._lose(number)
        told = await self._leases.hold(held)
        for number, holder in told.items():
            tenure = self._served.get(number)
            if holder != self._leases.me:
                self._lose(number)
            elif tenure is not None and tenure.is_ours:
                tenure.until = began + TTL_MS / 1000

    async def _round(self) -> None:
        """Look at who holds what, and go a step towards an equal share."""
        members, me = await self._joined(), self._leases.me
        if members is None or (members, len(self._held())) == self._at_rest:
            return
        view: dict[int, str | None] = dict.fromkeys(self._all, _UNKNOWN)
        view |= await self._leases.holders(set(self._all).difference(self._held()))
        view |= dict.fromkeys(self._held(), me)
        # Ours by Redis alone: its answer was lost when it was taken, or a process of this name that is no more had it.
        unserved = [number for number, holder in view.items() if holder == me and number not in self._held()]
        is_at_rest = are_at_rest(members, view) and not unserved
        self._at_rest = (members, len(self._held())) if is_at_rest else None
        change = shares(me, members, view)
        await self._give(change.release)
        await self._take([number for number in unserved if number not in change.release] + change.take)

    async def _joined(self) -> frozenset[str] | None:
        """The members that are to serve; None while they cannot be asked for: what is held is held on to then."""
        try:
            async with asyncio.timeout(_ROUND_S):
                return newest(await self._leases.join((version.PROTOCOL, canonical.PLAN_FORMAT)))
        except (ServerUnavailable, TimeoutError) as wrong:
            log.warning("membership_not_renewed", reason=str(wrong) or "no answer in time")
            return None

    async def _wait_for_change(self) -> None:
        """Wait until there may be something to do, but not so long that a dead process would be missed too late."""
        change = asyncio.ensure_future(self._leases.changed(RENEW_EVERY_MS))
        drained = asyncio.ensure_future(self._drain.wait())
        try:
            await asyncio.wait([change, drained], timeout=1.5 * _ROUND_S, return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                change.result()
        except ServerUnavailable:
            await asyncio.wait([drained], timeout=_ROUND_S)
        finally:
            change.cancel()
            drained.cancel()

    async def _take(self, partitions: Collection[int]) -> None:
        if not partitions:
            return
        began = monotonic()
        told = await self._leases.hold([number for number in partitions if number not in self._served])
        for number in [number for number, holder in told.items() if holder == self._leases.me]:
            self._served[number] = Tenure(began + TTL_MS / 1000)
            self._tasks[number] = asyncio.create_task(self._at_work(number), name=f"partition {number}")
            log.info("partition_taken", partition=number)
        self._told(len(self._held()))

    async def _give(self, partitions: Collection[int]) -> None:
        for number in partitions:
            if number in self._served:
                self._served[number].stop.set()
        if unserved := [number for number in partitions if number not in self._served]:
            await self._leases.release(unserved)

    def _lose(self, number: int) -> None:
        """Serve a partition no longer; another may have it."""
        tenure = self._served.get(number)
        if tenure is None:
            return
        if not tenure.stop.is_set():
            log.warning("partition_lost", partition=number)
        tenure.until = 0.0
        tenure.stop.set()
        self._told(len(self._held()))

    async def _at_work(self, number: int) -> None:
        try:
            await self._serve(number, self._served[number])
            # From here on nobody renews it: a lease that was given up is not to come back.
            self._served[number].until = 0.0
            await self._leases.release([number])
            log.info("partition_released", partition=number)
        finally:
            del self._served[number], self._tasks[number]
            self._told(len(self._held()))

    async def _hand_over(self) -> None:
        """Stop serving, and leave what is done to the others while the rest is being finished."""
        with suppress(ServerUnavailable, TimeoutError):
            async with asyncio.timeout(_ROUND_S):
                await self._leases.leave()
        for tenure in self._served.values():
            tenure.stop.set()
        await asyncio.gather(*self._tasks.values())

    async def _abandon(self) -> None:
        """End what is still at work. Its leases end by themselves."""
        while tasks := list(self._tasks.values()):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def _held(self) -> list[int]:
        return [number for number, tenure in self._served.items() if tenure.is_ours]
