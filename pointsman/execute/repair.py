"""Repair: one open run rebuilt from its journal, while everything else goes on (SEMANTICS §7)."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

from pointsman.base.errors import RunClosed, RunError, RunNotFound, ServerUnavailable
from pointsman.base.ids import RunId
from pointsman.execute.programs import Plans, Programs
from pointsman.execute.recovery import past_of, rebuild
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import OpenRuns, Rebuilt, RepairStore
from pointsman.ports.run_store import RunStore
from pointsman.protocol.transition import Sealed

HOLD_MS: Final = 10_000
"""How long all others are kept off the run, if it is there."""
_ROUNDS: Final = 60
_PAUSE_S: Final = 0.05
"""So often, and so far apart, it is looked whether the journal has what the run's last events tell."""


class Repair:
    """Takes what the store has of a run away, and writes back what the journal has of it."""

    def __init__(
        self, store: RunStore, repairs: RepairStore, record: OpenRuns, plans: Plans, blobs: BlobStore, inline_limit: int
    ) -> None:
        self._store = store
        self._repairs = repairs
        self._record = record
        self._plans = plans
        self._blobs = blobs
        self._limit = inline_limit

    async def repair(self, run_id: RunId) -> Sealed:
        """Rebuild a run: what was out goes out once more, timers run on with the time they have left.

        Returns:
            The event that tells of it.

        Raises:
            RunNotFound: RUN003, its journal has no event yet.
            RunClosed: RUN004.
            RunError: RUN045, its journal has a gap.
            ServerUnavailable: SRV060, an edit holds the run, or the journal is behind: nothing was changed. Or a server
                is lost on the way; then the same again is right.
        """
        await self._repairs.begin()
        owner = uuid4().hex
        is_held = await self._store.hold(run_id, owner, HOLD_MS)
        places = await self._repairs.places([run_id])
        try:
            if run_id in places and not is_held:
                raise _busy(run_id, "somebody else holds it, or it has just ended")
            await self._written(run_id)
            rebuilt = await self._rebuilt(run_id)
            if run_id in places and places[run_id].seq > rebuilt.sealed.transition.seq - 1:
                raise _busy(run_id, "the journal does not have its last event")
            await self._write_back(rebuilt)
        finally:
            if is_held:
                await self._store.hold(run_id, owner, 0)
        return rebuilt.sealed

    async def _written(self, run_id: RunId) -> None:
        for _ in range(_ROUNDS):
            if not await self._repairs.has_events(run_id):
                return
            await asyncio.sleep(_PAUSE_S)
        raise _busy(run_id, "the journal has not passed its last events")

    async def _rebuilt(self, run_id: RunId) -> Rebuilt:
        rows = (await self._record.events([run_id]))[run_id]
        _check(run_id, rows)
        return await rebuild(rows, Programs(self._plans), await self._store.now(), self._blobs, self._limit)

    async def _write_back(self, rebuilt: Rebuilt) -> None:
        head = rebuilt.run.head
        for digest in (*rebuilt.plans, head.plan):
            plan = await self._plans.plan(digest)
            assert plan is not None, "what a run points at is stored"
            await self._repairs.put_plan(digest, plan)
        await self._repairs.drop([head.run_id])
        # A task whose run had lost its keys belongs to nobody; what the run has out from now on comes after this.
        types = {state.type for state in rebuilt.run.tokens.values() if state.type}
        await self._repairs.sweep(head.run_id, sorted(types))
        await self._repairs.restore([rebuilt])


def _check(run_id: RunId, rows: list[JournalEvent]) -> None:
    run = past_of(rows).run
    if run is None:
        told = f"run {run_id} has no event in the journal, so it was not started yet; nothing was changed."
        raise RunNotFound("RUN003", told)
    if run.head.seq != rows[-1].seq:
        raise RunError(
            "RUN045",
            f"run {run_id}: its journal has a gap behind event {run.head.seq}; nothing was changed. A recovery of all "
            "(`pointsman recover`) begins a new epoch, in which the run goes on from there.",
        )
    if run.is_final:
        raise RunClosed("RUN004", f"run {run_id} is {run.head.status}, which is final; nothing was changed.")


def _busy(run_id: RunId, why: str) -> ServerUnavailable:
    return ServerUnavailable("SRV060", f"run {run_id} could not be repaired: {why}; it is as it was. Try again.")
