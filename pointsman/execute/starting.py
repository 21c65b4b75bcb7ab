"""Starting accepted runs, forks among them: those begin with history out of the journal (SEMANTICS §7)."""

from __future__ import annotations

from typing import Final, NamedTuple

from pointsman.base.errors import RunNotFound
from pointsman.base.ids import Millis, RunId
from pointsman.edit.cut import remains
from pointsman.edit.fork import fork
from pointsman.execute.executor import Executor
from pointsman.execute.programs import Plans
from pointsman.execute.stepping import with_blobs
from pointsman.plan import Plan, decode_plan
from pointsman.ports.journal import Journal
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.state import RunHead, Snapshot
from pointsman.protocol.transition import Transition, decode_event
from pointsman.step import advance, opened_by

_PAGE: Final = 500


class Origin(NamedTuple):
    """A run as its journal had it at one of its events."""

    run: Snapshot
    events: list[Transition]
    """From the first to that one."""
    plan: Plan
    """The one it had then."""


class Starting:
    """Starts accepted runs. That of a fork can be worked out again by whoever starts it: it rests on durable events."""

    def __init__(self, executor: Executor, journal: Journal, plans: Plans) -> None:
        self._executor = executor
        self._journal = journal
        self._plans = plans

    async def start(self, head: RunHead, plan: bytes, since: Millis | None = None) -> StartOutcome:
        """Start an accepted run; the rest is as in `Executor.start`. Raises as `first` does."""
        if head.forked is None:
            return await self._executor.start(head, plan, since)
        first = await self.first(head, decode_plan(plan))
        return await self._executor.begin(first, plan, head.created_at if since is None else since)

    async def first(self, head: RunHead, plan: Plan) -> Transition:
        """The first transition of a fork on `plan`; nothing is started.

        Raises:
            RunNotFound: RUN043, the journal has no such event of the run that it comes from.
            RunError: RUN044, it would have nothing to do.
            EditRefused: `plan` is another than the run had, and what is kept would not have happened on it.
        """
        assert head.forked is not None
        executor, told = self._executor, head.forked
        origin = await self.origin(told.run_id, told.seq)
        kept = remains(told.run_id, origin.plan, origin.events, told.anew)
        program = executor.programs.built(plan, head)
        before = None if origin.plan == plan else executor.programs.built(origin.plan, head)
        now, loaded = await executor.store.now(), dict[str, bytes]()
        return await with_blobs(loaded, lambda: fork(program, head, kept, now, loaded, before), executor.blobs)

    async def origin(self, run_id: RunId, seq: int | None = None) -> Origin:
        """A run at one of its events, the last that is durable unless told. Raises `RunNotFound` RUN043."""
        run: Snapshot | None = None
        events: list[Transition] = []
        while page := await self._journal.events(run_id, len(events), _PAGE):
            for event in page if seq is None else page[: seq - len(events)]:
                change = decode_event(event.body)
                events.append(change)
                if run is None:
                    run = opened_by(change, event.tip)
                else:
                    advance(run, change, event.tip)
            if len(events) == seq:
                break
        if run is None or (seq is not None and run.head.seq != seq):
            raise _no_event(run_id, seq, len(events))
        encoded = await self._plans.plan(run.head.plan)
        assert encoded is not None, "what a run in the journal points at is stored"
        return Origin(run, events, decode_plan(encoded))


def _no_event(run_id: RunId, seq: int | None, last: int) -> RunNotFound:
    wanted = "an event" if seq is None else f"event {seq}"
    return RunNotFound(
        "RUN043",
        f"the journal does not have {wanted} of run {run_id}: it has {last}. Nothing was started. Try another.",
    )
