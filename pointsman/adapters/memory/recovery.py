"""MemoryRecovery: a `MemoryServer` behind its fence; the same suite holds it as holds Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from pointsman.adapters.memory.server import Armed, MemoryServer, OpenRun, Posted
from pointsman.adapters.memory.stream import Stream
from pointsman.base.ids import Digest, Millis, RunId, job_id
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import Fence, Place, Rebuilt, overtaken
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.step.past import clock_of


class MemoryRecovery:
    """The adapter of `pointsman.ports.recovery.RecoveryStore`; the docstrings there hold here."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._epoch = 0

    async def look(self) -> Fence:
        """Whether there is an epoch."""
        server = self._server
        return Fence(bool(server.epoch), server.epoch, server.prepared, "memory")

    async def close(self, epoch: int) -> None:
        """Take the epoch away."""
        server = self._server
        if server.epoch >= epoch or server.prepared > epoch:
            raise overtaken()
        server.epoch, server.prepared, self._epoch = 0, epoch, epoch

    async def places(self, runs: Sequence[RunId]) -> dict[RunId, Place]:
        """How far runs are."""
        heads = {run: self._server.runs[run].snapshot.head for run in runs if run in self._server.runs}
        return {run: Place(head.seq, head.tip) for run, head in heads.items()}

    async def held(self) -> AsyncIterator[list[RunId]]:
        """All runs at once."""
        if self._server.runs:
            yield list(self._server.runs)

    async def put_plan(self, digest: Digest, plan: bytes) -> None:
        """Store a plan."""
        self._must_be_mine()
        self._server.plans[digest] = plan

    async def drop(self, runs: Sequence[RunId]) -> None:
        """Remove runs."""
        for run in runs:
            self._must_be_mine()
            found = self._server.runs.pop(run, None)
            if found is not None:
                self._take_away(run, found)

    async def restore(self, runs: Sequence[Rebuilt]) -> None:
        """Write runs back."""
        for rebuilt in runs:
            self._must_be_mine()
            if rebuilt.run.head.run_id not in self._server.runs:
                self._restore(rebuilt)

    async def open(self, epoch: int) -> None:
        """Begin the epoch."""
        self._must_be_mine()
        self._server.epoch, self._server.prepared = epoch, 0

    async def now(self) -> Millis:
        """The server's clock."""
        return self._server.clock.now()

    def _must_be_mine(self) -> None:
        if not self._epoch or self._server.prepared != self._epoch:
            raise overtaken()

    def _take_away(self, run: RunId, found: OpenRun) -> None:
        server = self._server
        for token, entry in found.posted.items():
            server.tasks[found.snapshot.tokens[token].type].remove(entry)
        for name, timer in clock_of(found.snapshot).items():
            server.timers.pop(Armed(run, name, timer.generation), None)

    def _restore(self, rebuilt: Rebuilt) -> None:
        server, run, change = self._server, rebuilt.run.head.run_id, rebuilt.sealed.transition
        made = server.runs[run] = OpenRun(rebuilt.run, history=dict(rebuilt.history))
        for dispatch in change.dispatches:
            job = job_id(run, dispatch.token, rebuilt.run.tokens[dispatch.token].attempt)
            posted = Posted(dispatch.body, run, dispatch.node, job)
            made.posted[dispatch.token] = server.tasks.setdefault(dispatch.type, Stream()).add(posted)
        for name, timer in clock_of(rebuilt.run).items():
            server.timers[Armed(run, name, timer.generation)] = timer.due
        server.outbox += [(run, message) for message in change.messages]
        if change.more:
            server.send([encode_wire(WireSignal("continue", run_id=run))])
        sealed = rebuilt.sealed
        server.events.append(JournalEvent(run, self._epoch, change.seq, sealed.tip, sealed.event))
        if rebuilt.run.is_final and not rebuilt.run.tokens:
            server.ended.append(run)
