"""The working copy one step writes on: the snapshot, with this step's changes laid over it.

The snapshot is never touched. What the step changed is collected here and becomes the `Transition`; its cost grows with
the change, not with the run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pointsman.base.ids import EdgeId, FrameId, Millis, NodeId, TimerId, TokenId, split_token
from pointsman.plan import Edge, Region
from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.note import Note, NoteKind
from pointsman.protocol.output import EMPTY, Output
from pointsman.protocol.signal import Signal
from pointsman.protocol.state import (
    FINAL,
    ErrorInfo,
    Frame,
    OpenToken,
    Resolution,
    Result,
    RunStatus,
    Snapshot,
    Timer,
)
from pointsman.protocol.transition import Dispatch, Transition
from pointsman.step.program import Program, Site

MAX_DISPATCHES = 256
"""Tokens one transition may emit (SEMANTICS §4)."""
MAX_PASSES = 100
"""Passes of loops one transition may begin: where nothing in a body waits, thousands follow upon each other."""
RUN_TIMER = TimerId("run")
"""The timer of the run itself: its max_duration."""


class Arrival(NamedTuple):
    """An edge that resolved; its target has not been told yet."""

    edge: Edge
    frame: FrameId
    how: Resolution


class Beginning(NamedTuple):
    """A node to activate in a frame that is open already: a start node, or the entry of a later pass."""

    site: Site
    frame: FrameId


class Due(NamedTuple):
    """The next pass of a loop, not begun yet."""

    region: Region
    frame: FrameId
    """The frame around the loop."""
    iteration: int


class Draft:
    """One step in progress. Reads see the snapshot with the changes so far."""

    __slots__ = (
        "_closed",
        "_forgotten",
        "_frames_ended",
        "_opened",
        "_withdrawn",
        "armed",
        "dead",
        "decoded",
        "disarmed",
        "dispatches",
        "due",
        "ended",
        "error",
        "failed",
        "frames",
        "joined",
        "more",
        "notes",
        "now",
        "output",
        "passes_made",
        "program",
        "queue",
        "retried",
        "revision",
        "run",
        "seq",
        "status",
        "timer",
        "tokens_made",
        "unjoined",
    )

    def __init__(self, program: Program, run: Snapshot, now: Millis) -> None:
        self.program = program
        self.run = run
        self.now = now
        self.seq = run.head.seq + 1
        self.revision = run.head.revision
        self.queue: deque[Arrival | Beginning] = deque()
        """What follows from what was done so far and has not been looked at yet."""
        self.due: dict[TokenId, Due] = {}
        """Passes to begin once nothing else follows, by the id that the node closing the loop has around it."""
        self.decoded: dict[TokenId, Any] = {}
        """Outputs parsed so far; one step may read the same output many times."""
        self.status: RunStatus | None = None
        self.error: ErrorInfo | None = None
        self.output: Output = EMPTY
        self.timer: Timer | None = None
        self.failed = False
        self.more = False
        self.retried: bool | None = None
        """Whether the attempt this step is about is tried again; None where it is about none that failed."""
        self.tokens_made = 0
        self.passes_made = 0
        self.ended: dict[TokenId, Result] = {}
        self.joined: dict[TokenId, dict[EdgeId, Resolution]] = {}
        self.unjoined: list[TokenId] = []
        self.frames: dict[FrameId, Frame] = {}
        self.armed: dict[TimerId, Timer] = {}
        self.disarmed: dict[TimerId, int] = {}
        self.notes: list[Note] = []
        self.dispatches: dict[TokenId, Dispatch] = {}
        self.dead: list[DeadToken] = []
        self._opened: dict[TokenId, OpenToken] = {}
        self._closed: dict[TokenId, None] = {}
        self._withdrawn: dict[TokenId, str] = {}
        self._forgotten: list[TokenId] = []
        self._frames_ended: dict[FrameId, None] = {}

    # The run ------------------------------------------------------------------------------------------------------

    @property
    def run_status(self) -> RunStatus:
        """The run's status, this step's change included."""
        return self.status or self.run.head.status

    @property
    def is_paused(self) -> bool:
        """Whether nothing new may be dispatched."""
        return self.run_status == "PAUSED"

    @property
    def is_over(self) -> bool:
        """Whether this step ended the run: nothing may follow."""
        return self.status is not None and self.status in FINAL

    def note(self, kind: NoteKind, token: TokenId, detail: Any = None) -> None:
        """Tell something the other fields of the event do not say."""
        frame, node = split_token(token)
        self.notes.append(Note(kind, node, frame, detail))

    # Tokens -------------------------------------------------------------------------------------------------------

    def token(self, token: TokenId) -> OpenToken | None:
        """An open token, None where it is closed or never was."""
        found = self._opened.get(token)
        if found is not None or token in self._closed:
            return found
        return self.run.tokens.get(token)

    def tokens(self) -> Iterator[tuple[TokenId, OpenToken]]:
        """Every open token; safe against changes made on the way.

        In the order of their ids: a store may hand tokens out in any other, and whoever steps must come to the same.
        """
        merged = {**self.run.tokens, **self._opened}
        return iter([(token, merged[token]) for token in sorted(merged) if token not in self._closed])

    def open_count(self) -> int:
        """How many tokens are open: what the counter will be."""
        opened = sum(1 for token in self._opened if token not in self.run.tokens)
        return len(self.run.tokens) - len(self._closed) + opened

    def set_token(self, token: TokenId, state: OpenToken) -> None:
        """Open a token, or change an open one; a stream entry it no longer wants is withdrawn."""
        before = self.run.tokens.get(token)
        if before is not None and before.type and (state.state != "dispatched" or state.attempt != before.attempt):
            self._withdrawn[token] = before.type
        if state.state != "dispatched":
            self.dispatches.pop(token, None)
        self._closed.pop(token, None)
        self._opened[token] = state

    def close_token(self, token: TokenId) -> None:
        """Close a token: its stream entry and its timers go with it."""
        state = self.token(token)
        if state is None:
            return
        for timer, armed in state.timers.items():
            self.disarm(timer, armed)
        self._opened.pop(token, None)
        self.dispatches.pop(token, None)
        before = self.run.tokens.get(token)
        if before is not None:
            self._closed[token] = None
            if before.type:
                self._withdrawn[token] = before.type

    def _unparked(self) -> tuple[TokenId, ...]:
        """Tokens that were parked before this step and are not after it."""
        before = self.run.tokens
        gone = [token for token in self._closed if before[token].state == "parked"]
        for token, state in self._opened.items():
            if state.state != "parked" and token in before and before[token].state == "parked":
                gone.append(token)
        return tuple(gone)

    # Timers -------------------------------------------------------------------------------------------------------

    def arm(self, timer: TimerId, delay_ms: int) -> Timer:
        """A timer `delay_ms` from now; while the run is paused it keeps that time instead of running."""
        made = Timer(self.seq, Millis(self.now + delay_ms), delay_ms if self.is_paused else None)
        if made.left_ms is None:
            self.armed[timer] = made
        return made

    def disarm(self, timer: TimerId, armed: Timer) -> None:
        """Take a timer off the clock."""
        if self.armed.pop(timer, None) is None and armed.left_ms is None:
            self.disarmed[timer] = armed.generation

    # Results ------------------------------------------------------------------------------------------------------

    def result(self, token: TokenId) -> Result | None:
        """How an activation ended, None while it has not."""
        return self.ended.get(token) or self.run.results.get(token)

    def end(self, token: TokenId, result: Result) -> None:
        """Record how an activation ended and close its token."""
        self.ended[token] = result
        self.close_token(token)

    def forget(self, token: TokenId) -> None:
        """Drop a result whose frame ended."""
        self.ended.pop(token, None)
        self.decoded.pop(token, None)
        if token in self.run.results:
            self._forgotten.append(token)

    # Joins and frames ---------------------------------------------------------------------------------------------

    def tally(self, token: TokenId) -> list[Resolution]:
        """How the in-edges of a join resolved so far."""
        before, new = self.run.joins.get(token), self.joined.get(token)
        return [*(before.values() if before else ()), *(new.values() if new else ())]

    def resolutions(self, token: TokenId) -> dict[EdgeId, Resolution]:
        """The in-edges of a join that resolved so far, by id."""
        return {**self.run.joins.get(token, {}), **self.joined.get(token, {})}

    def resolve_in(self, token: TokenId, edge: EdgeId, how: Resolution) -> None:
        """Record that one in-edge of a join resolved."""
        self.joined.setdefault(token, {})[edge] = how

    def forget_join(self, token: TokenId) -> None:
        """Drop a tally whose frame ended."""
        self.joined.pop(token, None)
        if token in self.run.joins:
            self.unjoined.append(token)

    def has_frame(self, frame: FrameId) -> bool:
        """Whether a frame is open; the root always is."""
        return not frame or frame in self.frames or (frame in self.run.frames and frame not in self._frames_ended)

    def open_frame(self, frame: FrameId, iteration: int) -> None:
        """Open a pass of a region."""
        self.frames[frame] = Frame(self.revision, self.now, iteration)
        self.passes_made += 1

    def end_frame(self, frame: FrameId) -> None:
        """Close a frame; what was in it must have been closed before."""
        self.frames.pop(frame, None)
        if frame in self.run.frames:
            self._frames_ended[frame] = None

    def frames_within(self, prefix: str) -> list[FrameId]:
        """Open frames whose path starts with `prefix`, in an order that no store has a say in."""
        found = [frame for frame in (*self.run.frames, *self.frames) if frame.startswith(prefix)]
        return sorted(frame for frame in found if frame not in self._frames_ended)

    # The value ----------------------------------------------------------------------------------------------------

    def finish(self, cause: str, signal: Signal | None) -> Transition:
        """The transition this draft amounts to."""
        head = self.run.head
        return Transition(
            run_id=head.run_id,
            protocol=head.protocol,
            seq=self.seq,
            prev=head.tip,
            at=self.now,
            cause=cause,
            signal=signal,
            status=self.status,
            error=self.error,
            output=self.output,
            timer=self.timer,
            failed=self.failed,
            tokens_made=self.tokens_made,
            passes_made=self.passes_made,
            ended=self.ended,
            forgotten=tuple(self._forgotten),
            opened=self._opened,
            closed=tuple(self._closed),
            joined=self.joined,
            unjoined=tuple(self.unjoined),
            frames=self.frames,
            frames_ended=tuple(self._frames_ended),
            armed=self.armed,
            disarmed=self.disarmed,
            notes=tuple(self.notes),
            dead=tuple(self.dead),
            unparked=self._unparked(),
            more=self.more,
            dispatches=tuple(self.dispatches.values()),
            withdrawn=self._withdrawn,
        )


def nothing(run: Snapshot, now: Millis, signal: Signal, cause: str, reason: str) -> Transition:
    """The verdict that a signal changes nothing, and why; apply confirms it against the same tip."""
    head = run.head
    return Transition(head.run_id, head.seq, head.tip, now, cause, signal, reason)


def node_of(token: TokenId) -> NodeId:
    """The node a token activates."""
    return NodeId(token.partition(":")[2])
