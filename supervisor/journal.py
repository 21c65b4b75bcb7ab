"""The journal: what stands on the events stream is written to Postgres, in order, by one supervisor at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from pointsman.base.clock import monotonic
from pointsman.base.crashpoints import Crasher
from pointsman.execute.recovery import write_down
from pointsman.ports.event_source import EventSource, StreamedEvent
from pointsman.ports.journal_writer import JournalWriter
from pointsman.ports.run_store import RunStore
from pointsman.protocol.version import ReleaseTooOld
from pointsman.service import pause
from supervisor.completion import Completion
from supervisor.fence import LOOK_EVERY_S, Fence

log = structlog.get_logger()

STAND_BACK: Final = 3
"""For how many renewals a writer stays away from what it cannot write: others ask for the lease at each."""
RENEWALS: Final = 5
"""How often within its lifetime a lease is renewed, and asked for by who does not have it."""


class Journal:
    """Writes one stream down while it has the lease, and has the store recovered where the fence is closed.

    The order is: written, runs that ended are cleaned up, taken off the stream. Dying anywhere in between leaves the
    events there; whoever has the lease next begins with them, and each of the steps passes over what is done.
    """

    def __init__(
        self,
        source: EventSource,
        writer: JournalWriter,
        completion: Completion,
        fence: Fence,
        store: RunStore,
        drain: asyncio.Event,
        lag: Callable[[float], None],
        left: Callable[[], None],
        crasher: Crasher,
        *,
        partition: int,
        batch: int,
        linger_ms: int,
        lease_ttl_ms: int,
    ) -> None:
        """`lag` hears how old the oldest event is, in milliseconds; `left` that the stream was left to a newer one."""
        self._source = source
        self._writer = writer
        self._completion = completion
        self._fence = fence
        self._store = store
        self._drain = drain
        self._lag = lag
        self._left = left
        self._crasher = crasher
        self._partition = partition
        self._batch = batch
        self._linger_s = linger_ms / 1000
        self._renew_ms = lease_ttl_ms // RENEWALS
        self._wait_ms = min(self._renew_ms, round(LOOK_EVERY_S * 1_000))
        self._renewed_at = 0.0
        self._write_at = float("-inf")

    async def run(self) -> None:
        """Write, or stand by for whoever writes, until drained."""
        try:
            while not self._drain.is_set():
                if await self._writer.acquire():
                    log.info("journal_leased", partition=self._partition)
                    await self._write_until_drained_or_too_new()
                else:
                    await pause(self._drain, self._renew_ms / 1000)
        finally:
            await self._writer.release()

    async def _write_until_drained_or_too_new(self) -> None:
        """Leave the lease to a supervisor that knows what this one does not."""
        try:
            await self._write_until_drained()
        except ReleaseTooOld as why:
            log.warning("journal_left_to_newer", partition=self._partition, code=why.code, reason=why.message)
            await self._writer.release()
            self._left()
            await pause(self._drain, STAND_BACK * self._renew_ms / 1000)

    async def _write_until_drained(self) -> None:
        while not self._drain.is_set():
            if not await self._fence.is_open():
                await self._fence.open(self._write_what_stands, self._renew)
            self._source.rewind()
            await self._write_while_open()

    async def _write_while_open(self) -> None:
        while not self._drain.is_set() and await self._fence.is_open():
            events = await self._source.read(self._batch, self._wait_ms)
            if events:
                await self._pass_on(await self._filled(events))
            else:
                self._lag(0)
                await self._renew()

    async def _write_what_stands(self) -> None:
        await write_down(self._source, self._writer, self._batch)

    async def _renew(self) -> None:
        """Renew the lease, which writing does too, where that is due."""
        if monotonic() - self._renewed_at > self._renew_ms / 1_000:
            self._renewed_at = monotonic()
            await self._writer.acquire()

    async def _filled(self, events: list[StreamedEvent]) -> list[StreamedEvent]:
        """The batch, with what came in while the last one was young: under load batches fill, a lone event goes out."""
        if len(events) < self._batch and (wait := self._write_at + self._linger_s - monotonic()) > 0:
            await pause(self._drain, wait)
            events += await self._source.read(self._batch - len(events), 0)
        self._write_at = monotonic()
        return events

    async def _pass_on(self, events: Sequence[StreamedEvent]) -> None:
        self._lag(max(0, await self._store.now() - events[0].at))
        written = await self._writer.write([streamed.event for streamed in events])
        self._crasher.reach("between_journal_and_ack")
        await self._completion.settle(written.ended)
        await self._source.remove(events)
