"""Starting runs and commanding them, in process: the API and the supervisor take the same path as every signal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from pointsman.base.errors import RunClosed, RunNotFound, ServerUnavailable
from pointsman.base.ids import Millis, RunId, Tip
from pointsman.edit import Editing, OnRunning, Replay
from pointsman.execute.admission import Admission
from pointsman.execute.outputs import store_large_outputs
from pointsman.execute.programs import Programs
from pointsman.execute.replays import Replays
from pointsman.execute.stepping import start_with_blobs, step_with_blobs, with_blobs
from pointsman.execute.turn import Turn
from pointsman.ports.blob_store import BlobStore
from pointsman.ports.run_store import LATEST_START_MS, Link, Recalled, RunStore
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.signal import Cancel, Pause, Redrive, Resume, Skip
from pointsman.protocol.state import RunHead, Snapshot
from pointsman.protocol.transition import Patch, Transition, seal, tip_after
from pointsman.step import Program

ATTEMPTS = 200
"""Rounds a command makes against a run that keeps moving, before it gives up with 503."""
HELD_PAUSE_S = 0.005


class Verdict(NamedTuple):
    """What a command did. `changed` is false where it had nothing to change (`reason` says why)."""

    run_id: RunId
    seq: int
    """The run's seq once the command was applied."""
    tip: Tip
    """And its tip: durable when that is the journal's at this seq."""
    changed: bool
    reason: str = ""


class Prepared(NamedTuple):
    """An edit, compiled. The `revision` of its patch is set when it lands."""

    program: Program
    plan: bytes
    patch: Patch
    keep: Callable[[], Awaitable[None]]
    """Stores what it compiled to in Postgres; called once it is clear that the run takes it."""


Prepare = Callable[[RunHead], Awaitable[Prepared]]
"""Compiles an edit against a run's current definition; leaves no trace of it."""
Allow = Callable[[Snapshot], None]
"""Raises where the sender of an edit has no right to it, the run being as it is."""


class Tried(NamedTuple):
    """An edit that the run would take, not applied."""

    run: Snapshot
    old: Program
    prepared: Prepared
    change: Transition


Judge = Callable[[Tried], None]
"""Looks at the very transition that is about to be applied; raises where it shall not be."""


@dataclass
class _Attempt:
    """An edit, ready for runs of one revision."""

    revision: int
    prepared: Prepared
    editing: Editing
    is_kept: bool = False


class Executor:
    """Applies what `start` and `step` say to the runs of one store."""

    def __init__(
        self,
        store: RunStore,
        programs: Programs,
        blobs: BlobStore,
        inline_limit: int,
        admission: Admission | None = None,
    ) -> None:
        self.store = store
        self.programs = programs
        self.blobs = blobs
        self._limit = inline_limit
        self._admission = admission
        self._replays = Replays()

    async def start(self, head: RunHead, plan: bytes, since: Millis | None = None) -> StartOutcome:
        """Start an accepted run; `exists` where somebody started it already.

        `since` is an instant of the store's clock at which the run had certainly not ended: that of its creation unless
        told otherwise. A start that arrives more than `LATEST_START_MS` after it is `late`.
        """
        await self.store.put_plan(head.run_id, head.plan, plan)
        program = await self.programs.of(head)
        first = await start_with_blobs(program, head, await self.store.now(), self.blobs)
        return await self.begin(first, plan, head.created_at if since is None else since)

    async def begin(self, first: Transition, plan: bytes, since: Millis) -> StartOutcome:
        """Start a run with a first transition that is made already; the rest is as in `start`."""
        types = {dispatch.type for dispatch in first.dispatches}
        if self._admission is not None and not await self._admission.admits(types):
            return "busy"
        await store_large_outputs(first, self.blobs, self._limit)
        return await self.store.start(seal(first), plan, Millis(since + LATEST_START_MS))

    async def command(self, signal: Pause | Resume | Cancel | Redrive | Skip) -> Verdict:
        """Apply a control command to an open run.

        Raises:
            RunNotFound: RUN003, Redis holds no such run; whether it is final, Postgres knows.
            RunClosed: RUN004.
            ServerUnavailable: SRV060, the run moved on every time, or Redis lost state and recovery is not done.
        """
        async with Turn(self.store, signal.run_id) as turn:
            for _ in range(ATTEMPTS):
                run = await self.load(signal.run_id)
                program = await self.programs.of(run.head)
                change = await step_with_blobs(program, run, signal, await self.store.now(), self.blobs)
                if await self.apply(change, turn.owner):
                    return Verdict(signal.run_id, change.seq, tip_after(change), not change.is_empty, change.reason)
                await turn.missed()
        raise ServerUnavailable(
            "SRV060",
            f"run {signal.run_id}: {change.cause} could not be applied in {ATTEMPTS} rounds; the run is as it was "
            "without it. Try again.",
        )

    async def edit(
        self,
        run_id: RunId,
        prepare: Prepare,
        allow: Allow | None = None,
        on_running: OnRunning = "refuse",
        judge: Judge | None = None,
    ) -> Transition:
        """Give an open run another plan, as `pointsman.edit` allows; the transition that did it.

        `prepare` is asked again whenever the run's revision is another one than before: somebody else edited it.
        `allow` looks at each state of the run that the edit is tried on, and raises where it may not be; `judge` at
        what the edit would do to that.

        Raises:
            EditRefused: The run's past does not hold on the new plan; nothing was changed.
            Also what `prepare` raises, and as `command` does.
        """
        attempt: _Attempt | None = None
        async with Turn(self.store, run_id) as turn:
            for _ in range(ATTEMPTS):
                past = await self._recall(run_id)
                if allow is not None:
                    allow(past.run)
                # Not the definition: that can be the same again after two edits, and what else was looked at not.
                if attempt is None or attempt.revision != past.run.head.revision:
                    attempt = await self._attempt(past.run, prepare, on_running)
                tried = await self._tried(past, attempt)
                if judge is not None:
                    judge(tried)
                await self._keep(attempt, past.run.head)
                if await self.apply(tried.change, turn.owner):
                    self._replays.keep(past.run, attempt.prepared.patch.plan, attempt.editing.after)
                    return tried.change
                await turn.missed()
        raise ServerUnavailable(
            "SRV060", f"run {run_id} moved on in each of {ATTEMPTS} rounds; the patch was not applied. Try again."
        )

    async def preview(
        self, run_id: RunId, prepare: Prepare, allow: Allow | None = None, on_running: OnRunning = "refuse"
    ) -> Tried:
        """What `edit` would do now. Changes nothing, in Redis or elsewhere. Raises as `edit` does."""
        past = await self._recall(run_id)
        if allow is not None:
            allow(past.run)
        return await self._tried(past, await self._attempt(past.run, prepare, on_running))

    async def _attempt(self, run: Snapshot, prepare: Prepare, on_running: OnRunning) -> _Attempt:
        """An edit made ready for the revision that its run is at."""
        prepared, old = await prepare(run.head), await self.programs.of(run.head)
        before = self._replays.of(run, old)
        return _Attempt(run.head.revision, prepared, Editing(before, Replay(prepared.program, before), on_running))

    async def _tried(self, past: Recalled, attempt: _Attempt) -> Tried:
        """What an edit does to its run as it was read."""
        run, prepared, editing = past.run, attempt.prepared, attempt.editing
        now = await self.store.now()
        patch = msgspec.structs.replace(prepared.patch, revision=run.head.revision + 1)
        change = await with_blobs(run.blobs, lambda: editing.weigh(run, past.history, patch, now), self.blobs)
        return Tried(run, editing.before.program, prepared, change)

    async def _keep(self, attempt: _Attempt, head: RunHead) -> None:
        """Store what the edit points at: before it lands, and not before it is known to be taken."""
        if attempt.is_kept:
            return
        prepared = attempt.prepared
        await prepared.keep()
        await self.store.put_plan(head.run_id, prepared.patch.plan, prepared.plan)
        self.programs.remember((prepared.patch.plan, head.engine), prepared.program)
        attempt.is_kept = True

    async def load(self, run_id: RunId) -> Snapshot:
        """The snapshot of an open run. Raises as `command` does."""
        found = (await self.store.load([run_id])).get(run_id)
        if found is None:
            raise _not_there(run_id)
        return _still_open(found)

    async def _recall(self, run_id: RunId) -> Recalled:
        found = await self.store.recall(run_id)
        if found is None:
            raise _not_there(run_id)
        _still_open(found.run)
        return found

    async def apply(self, change: Transition, owner: str = "") -> bool:
        """Apply one transition, as the owner of a hold if one was taken.

        False where the run has moved on: load and decide again. Raises as `command` does.
        """
        await store_large_outputs(change, self.blobs, self._limit)
        outcome = (await self.store.apply([Link(seal(change), owner=owner)]))[0]
        match outcome:
            case "applied":
                return True
            case "closed" | "missing":
                raise RunClosed("RUN004", f"run {change.run_id} ended before this could reach it; nothing was changed.")
            case "fenced":
                raise ServerUnavailable(
                    "SRV061",
                    f"run {change.run_id}: Redis lost state and is being recovered; nothing was changed. Try again.",
                )
            case "stale" | "held":
                if outcome == "held":
                    await asyncio.sleep(HELD_PAUSE_S)
                return False


def _not_there(run_id: RunId) -> RunNotFound:
    return RunNotFound("RUN003", f"run {run_id} is not open; nothing was changed. List runs to see those there are.")


def _still_open(run: Snapshot) -> Snapshot:
    if run.is_final:
        raise RunClosed("RUN004", f"run {run.head.run_id} is {run.head.status}, which is final; nothing was changed.")
    return run
