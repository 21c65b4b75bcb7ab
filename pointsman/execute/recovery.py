"""Recovery: a store that lost state, or was started anew, is compared with the journal and opened again.

The order is: the fence closes, what stands on the events stream is written down, every open run that the store does not
have as the journal has it is rebuilt and written back, what is final is dropped, and the fence opens last, in a new
epoch. Dying anywhere leaves the fence closed; whoever comes next begins again and finds what was restored already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

import structlog

from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis
from pointsman.execute.outputs import store_large_outputs
from pointsman.execute.programs import Plans, Programs
from pointsman.execute.stepping import with_blobs
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.event_source import EventSource
from pointsman.ports.journal import JournalEvent
from pointsman.ports.journal_writer import JournalWriter
from pointsman.ports.recovery import Fence, JournalledRun, Opening, OpenRuns, Place, Rebuilt, RecoveryStore
from pointsman.ports.run_index import OLDEST
from pointsman.protocol.state import RunStatus
from pointsman.protocol.transition import decode_event, seal
from pointsman.step import advance
from pointsman.step.past import Past, standing
from pointsman.step.recover import recover

log = structlog.get_logger()

PAGE: Final = 500
"""Runs that are compared at once."""
EVENTS_AT_ONCE: Final = 10_000
"""Rows of the journal that are read at once, about; a run with more comes alone."""
FIRST: Final = "first_opening"
"""The reason of an opening that nothing was before."""
ASKED_FOR: Final = "asked_for"
"""The reason of an opening for which every open run is rebuilt."""
_OPEN: Final[tuple[RunStatus, ...]] = ("RUNNING", "PAUSED", "QUEUED")

Heartbeat = Callable[[], Awaitable[object]]
"""Called again and again meanwhile: keeps the lease, and raises where it is lost."""


class Recovery:
    """Opens a store. One at a time: the caller holds the lease on writing its journal."""

    def __init__(
        self,
        store: RecoveryStore,
        record: OpenRuns,
        plans: Plans,
        blobs: BlobStore,
        crasher: Crasher,
        *,
        inline_limit: int,
        told: Callable[[Opening], None],
    ) -> None:
        """`told` is called with how far it has come."""
        self._store = store
        self._record = record
        self._plans = plans
        self._programs = Programs(plans)
        self._blobs = blobs
        self._crasher = crasher
        self._limit = inline_limit
        self._told = told
        self._kept: set[Digest] = set()
        """Plans that were stored in the opening at hand."""
        self._epoch = 0

    async def is_open(self) -> bool:
        """Whether changes pass: the store is open, in an epoch that stands in Postgres."""
        fence = await self._store.look()
        if fence.is_open and fence.epoch != self._epoch:
            newest = await self._record.newest()
            if newest is None or newest.opened_at is None or newest.epoch != fence.epoch:
                return False
            self._epoch = fence.epoch
        return fence.is_open

    async def ask(self) -> int:
        """Close the fence of a store that has lost nothing, so that whoever has the lease rebuilds every open run; the
        epoch from which on that is done."""
        fence, newest = await self._store.look(), await self._record.newest()
        now = await self._store.now()
        opening = await self._begin(fence, newest, now, ASKED_FOR)
        await self._store.close(opening.epoch)
        return opening.epoch

    async def open(self, write_down: Heartbeat, beat: Heartbeat) -> Opening:
        """Recover what there is to recover, and open the store; what came of it.

        Args:
            write_down: Writes what stands on the events stream to the journal, all of it.
            beat: See `Heartbeat`.

        Raises:
            ServerUnavailable: A server is lost, or SRV063. The fence is closed still: begin again.
        """
        fence, newest = await self._store.look(), await self._record.newest()
        now = await self._store.now()
        reason = _reason(fence, newest)
        # Where the journal is the older of the two, since Postgres came back from a backup, the store is right.
        ahead_is_kept = bool(fence.epoch) and (newest is None or newest.epoch <= fence.epoch)
        opening = await self._begin(fence, newest, now, reason)
        epoch = opening.epoch
        await self._store.close(epoch)
        self._kept.clear()
        self._told(opening)
        await write_down()
        async for runs in self._pages():
            await beat()
            lost = runs if reason == ASKED_FOR else await self._lost(runs, ahead_is_kept=ahead_is_kept)
            opening = opening._replace(checked=opening.checked + len(runs))
            for few in _in_batches(lost):
                await beat()
                rebuilt = await self._rebuilt(few, epoch)
                # What cannot be rebuilt must not go on from what the store has of it either.
                await self._store.drop(list(await self._store.places([run.run_id for run in few])))
                await self._restore(rebuilt)
                opening = opening._replace(
                    restored=opening.restored + len(rebuilt), failed=opening.failed + len(few) - len(rebuilt)
                )
                opening = await self._tell(opening)
        async for held in self._store.held():
            await beat()
            final = await self._record.final(held)
            await self._store.drop(sorted(final))
            opening = opening._replace(dropped=opening.dropped + len(final))
        self._crasher.reach("between_restore_and_open")
        await self._store.open(epoch)
        return await self._tell(opening._replace(opened_at=max(now, await self._store.now())))

    async def _begin(self, fence: Fence, newest: Opening | None, now: Millis, reason: str) -> Opening:
        known = max(fence.epoch, fence.prepared, newest.epoch if newest is not None else 0)
        epoch = max(now // 1_000, known + 1)
        return await self._record.begin(Opening(epoch, fence.server, now, None, reason, 0, 0, 0, 0))

    async def _tell(self, opening: Opening) -> Opening:
        await self._record.note(opening)
        self._told(opening)
        return opening

    async def _pages(self) -> AsyncIterator[list[JournalledRun]]:
        for status in _OPEN:
            after = OLDEST
            while runs := await self._record.page(status, after, PAGE):
                yield runs
                after = runs[-1].cursor

    async def _lost(self, runs: Sequence[JournalledRun], *, ahead_is_kept: bool) -> list[JournalledRun]:
        """Those that the store does not have as the journal has them, which by now has all that the store knew."""
        places = await self._store.places([run.run_id for run in runs])
        return [run for run in runs if not _is_kept(run, places.get(run.run_id), ahead_is_kept=ahead_is_kept)]

    async def _rebuilt(self, runs: Sequence[JournalledRun], epoch: int) -> list[Rebuilt]:
        """Runs as they go on in this epoch. One that cannot be rebuilt keeps no other from it."""
        found = await self._record.events([run.run_id for run in runs])
        now = await self._store.now()
        rebuilt = []
        for run_id, rows in found.items():
            try:
                made = await rebuild(rows, self._programs, now, self._blobs, self._limit)
            except ServerUnavailable:
                raise
            except Exception as wrong:
                log.exception("run_not_recovered", run_id=run_id, epoch=epoch, reason=str(wrong))
            else:
                rebuilt.append(made)
        return rebuilt

    async def _restore(self, runs: Sequence[Rebuilt]) -> None:
        digests = {digest for rebuilt in runs for digest in (*rebuilt.plans, rebuilt.run.head.plan)}
        for digest in sorted(digests - self._kept):
            plan = await self._plans.plan(digest)
            assert plan is not None, "what a run points at is stored"
            await self._store.put_plan(digest, plan)
        self._kept |= digests
        await self._store.restore(runs)


async def rebuild(
    rows: Sequence[JournalEvent], programs: Programs, now: Millis, blobs: BlobStore, inline_limit: int
) -> Rebuilt:
    """A run as its rows have it, and how it goes on. Raises `ValueError` where they do not lead to an open run."""
    past = past_of(rows)
    run = past.run
    if run is None:
        raise ValueError("its journal does not begin with a start")
    if run.is_final:
        raise ValueError("its journal says that it has ended, and its row does not")
    program = await programs.of(run.head)
    change = await with_blobs(run.blobs, lambda: recover(program, run, now), blobs, run.lost)
    await store_large_outputs(change, blobs, inline_limit)
    sealed = seal(change)
    advance(run, change, sealed.tip)
    return Rebuilt(run, past.history, past.plans, sealed)


async def write_down(source: EventSource, writer: JournalWriter, batch: int) -> None:
    """Write all that stands on an events stream to the journal, while nothing comes in.

    Runs that end with it are not cleaned up: whoever opens the fence does that.
    """
    source.rewind()
    while events := await source.read(batch, 0):
        await writer.write([streamed.event for streamed in events])
        await source.remove(events)


def past_of(rows: Sequence[JournalEvent]) -> Past:
    """What the rows of a run, in order of epoch and seq, amount to, up to the first gap."""
    past = Past()
    for row in standing(rows):
        if not past.take(decode_event(row.body), row.tip):
            log.error("journal_has_a_gap", run_id=row.run_id, epoch=row.epoch, seq=row.seq)
            break
    return past


def _is_kept(run: JournalledRun, place: Place | None, *, ahead_is_kept: bool) -> bool:
    return place is not None and (place.tip == run.tip or (ahead_is_kept and place.seq > run.seq))


def _in_batches(runs: Sequence[JournalledRun]) -> list[list[JournalledRun]]:
    batches: list[list[JournalledRun]] = []
    events = EVENTS_AT_ONCE
    for run in runs:
        if events + run.seq > EVENTS_AT_ONCE:
            batches.append([])
            events = 0
        batches[-1].append(run)
        events += run.seq
    return batches


def _reason(fence: Fence, newest: Opening | None) -> str:
    if newest is None:
        return FIRST
    if newest.opened_at is None and newest.reason in (FIRST, ASKED_FOR):
        return newest.reason  # whoever began it has not got far
    if not fence.epoch:
        return newest.reason if fence.prepared == newest.epoch else "state_lost"
    return "older_state" if fence.epoch < newest.epoch else "server_restarted"
