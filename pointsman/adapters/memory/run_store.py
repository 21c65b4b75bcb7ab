"""MemoryRunStore: the open runs in this process; the same suite holds it as holds Redis (`tests/conformance/`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from pointsman.adapters.memory.server import Armed, Hold, MemoryServer, OpenRun, Posted
from pointsman.adapters.memory.stream import Stream
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId, TokenId, job_id
from pointsman.ports.journal import JournalEvent
from pointsman.ports.run_store import LATEST_START_MS, Link, Recalled
from pointsman.protocol.outcome import Outcome, StartOutcome
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Sealed, Transition
from pointsman.step import advance, opened_by
from pointsman.step.kept import keep, read_history


class MemoryRunStore:
    """The adapter of `pointsman.ports.run_store.RunStore`; the docstrings there hold here."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._epoch = server.epoch

    async def start(self, sealed: Sealed, plan: bytes, by: Millis | None = None) -> StartOutcome:
        """Create a run."""
        server, change = self._server, sealed.transition
        now = server.clock.now()
        if self._is_fenced():
            return "fenced"
        if change.run_id in server.runs or server.removed.get(change.run_id, 0) > now:
            return "exists"
        if by is not None and now > by:
            return "late"
        run = server.runs[change.run_id] = OpenRun(opened_by(change, sealed.tip))
        server.plans.setdefault(run.snapshot.head.plan, plan)
        self._carry_out(run, sealed)
        return "started"

    async def load(self, runs: Sequence[RunId]) -> dict[RunId, Snapshot]:
        """Copies of snapshots."""
        found = ((run, self._server.runs.get(run)) for run in runs)
        return {run: _copy(there.snapshot) for run, there in found if there is not None}

    async def recall(self, run: RunId) -> Recalled | None:
        """A run and its history."""
        found = self._server.runs.get(run)
        return Recalled(_copy(found.snapshot), read_history(run, found.history)) if found is not None else None

    async def apply(self, links: Sequence[Link]) -> list[Outcome]:
        """Apply links in order."""
        return [self._apply(link) for link in links]

    async def hold(self, run: RunId, owner: str, ms: int) -> bool:
        """Take or end a hold."""
        found, now = self._server.runs.get(run), self._server.clock.now()
        if self._is_fenced() or found is None or found.snapshot.is_final or found.is_held(owner, now):
            return False
        found.hold = Hold(Millis(now + ms), owner) if ms else None
        return True

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON."""
        return self._server.plans.get(digest)

    async def put_plan(self, run: RunId, digest: Digest, plan: bytes) -> None:
        """Store a plan."""
        self._must_be_open()
        self._server.plans[digest] = plan

    async def finish(self, runs: Sequence[RunId]) -> list[bool]:
        """Remove final runs."""
        return [self._finish(run) for run in runs]

    async def now(self) -> Millis:
        """The server's clock."""
        return self._server.clock.now()

    async def fire_timers(self, limit: int) -> int:
        """Turn due timers into signals."""
        server = self._server
        if self._is_fenced():
            return 0
        now = server.clock.now()
        due = sorted((at, timer) for timer, at in server.timers.items() if at <= now)[:limit]
        for _, timer in due:
            del server.timers[timer]
        wires = (WireSignal("timer", run_id=run, timer=name, generation=count) for _, (run, name, count) in due)
        server.send([encode_wire(wire) for wire in wires])
        return len(due)

    async def dump(self) -> Mapping[str, object]:
        """Everything the server holds."""
        server = self._server
        return {
            "epoch": server.epoch,
            "runs": {
                run: (
                    msgspec.json.encode(open_run.snapshot),
                    dict(open_run.posted),
                    dict(open_run.history),
                    open_run.hold,
                )
                for run, open_run in server.runs.items()
            },
            "plans": dict(server.plans),
            "removed": dict(server.removed),
            "signals": (
                dict(server.signals.entries),
                {name: held.consumer for name, held in server.signals.held.items()},
            ),
            "tasks": {name: (dict(stream.entries), dict(stream.held)) for name, stream in server.tasks.items()},
            "events": list(server.events),
            "outbox": list(server.outbox),
            "timers": dict(server.timers),
            "rejected": list(server.rejected),
            "ended": list(server.ended),
        }

    def _is_fenced(self) -> bool:
        """Whether state was lost and not recovered yet."""
        return not self._server.epoch

    def _must_be_open(self) -> None:
        if self._is_fenced():
            raise ServerUnavailable("SRV061", "this store lost state and was not recovered yet; nothing was changed.")

    def _joins(self) -> bool:
        """Whether there is another epoch than the one that this store was in; it is in that from now on."""
        before, self._epoch = self._epoch, self._server.epoch
        return before != self._epoch

    def _apply(self, link: Link) -> Outcome:
        server, sealed = self._server, link.sealed
        change = sealed.transition
        if self._is_fenced():
            return "fenced"
        if self._joins():
            return "stale"
        run = server.runs.get(change.run_id)
        if run is None or run.snapshot.is_final:
            self._acknowledge(link)
            return "missing" if run is None else "closed"
        if run.is_held(link.owner, server.clock.now()):
            return "held"
        if run.snapshot.head.tip != change.prev:
            return "stale"
        self._acknowledge(link)
        if not change.is_empty:
            advance(run.snapshot, change, sealed.tip)
            run.hold = None
            self._carry_out(run, sealed)
        return "applied"

    def _acknowledge(self, link: Link) -> None:
        if link.delivery is not None:
            self._server.signals.remove(link.delivery)

    def _carry_out(self, run: OpenRun, sealed: Sealed) -> None:
        """Everything a transition does besides moving the snapshot on."""
        server, change = self._server, sealed.transition
        self._move_tasks(run, change)
        keep(run.history, change)
        for timer, generation in change.disarmed.items():
            server.timers.pop(Armed(change.run_id, timer, generation), None)
        for timer, armed in change.armed.items():
            server.timers[Armed(change.run_id, timer, armed.generation)] = armed.due
        server.outbox += [(change.run_id, message) for message in change.messages]
        if change.more:
            server.send([encode_wire(WireSignal("continue", run_id=change.run_id))])
        server.events.append(JournalEvent(change.run_id, server.epoch, change.seq, sealed.tip, sealed.event))
        if run.snapshot.is_final and not run.snapshot.tokens:
            server.ended.append(change.run_id)

    def _move_tasks(self, run: OpenRun, change: Transition) -> None:
        tasks = self._server.tasks
        for token, task_type in change.withdrawn.items():
            if entry := run.posted.pop(token, None):
                tasks[task_type].remove(entry)
        for token, task_type, node, body in (msgspec.structs.astuple(dispatch) for dispatch in change.dispatches):
            posted = Posted(body, change.run_id, node, _job(change, token))
            run.posted[token] = tasks.setdefault(task_type, Stream()).add(posted)
        for token in change.closed:
            run.posted.pop(token, None)

    def _finish(self, run: RunId) -> bool:
        self._must_be_open()
        found = self._server.runs.get(run)
        if found is not None and (not found.snapshot.is_final or found.snapshot.tokens):
            return False
        if self._server.runs.pop(run, None) is not None:
            self._server.removed[run] = Millis(self._server.clock.now() + 2 * LATEST_START_MS)
        return True


def _job(change: Transition, token: TokenId) -> str:
    return job_id(change.run_id, token, change.opened[token].attempt)


def _copy(run: Snapshot) -> Snapshot:
    """A snapshot that its taker may move on: what it holds is frozen, the dictionaries are its own."""
    joins = {token: dict(edges) for token, edges in run.joins.items()}
    return Snapshot(replace(run.head), dict(run.tokens), dict(run.results), joins, dict(run.frames))
