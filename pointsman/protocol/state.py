"""The state of one run, as the engine sees it: what a snapshot holds and a transition changes.

The canonical snapshot (SEMANTICS, ARCHITECTURE §1) is everything here; stream entry ids and leases are the store's.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from pointsman.base.ids import Digest, EdgeId, FrameId, Millis, RunId, TimerId, Tip, TokenId
from pointsman.protocol.output import EMPTY, Output

RunStatus = Literal["QUEUED", "RUNNING", "PAUSED", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]
FINAL: Final[frozenset[RunStatus]] = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})

TokenState = Literal["dispatched", "queued", "beginning", "held", "backing_off", "sleeping", "parked"]
"""
queued: over the 256 of one transition; beginning: a loop between two passes, over the 100 of one transition; held:
activated while paused; sleeping: a wait node; parked: dead letter.
"""

Resolution = Literal["live", "dead", "failed"]

ResultStatus = Literal["completed", "failed", "skipped", "cancelled"]


class Timer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A due time. `generation` is the seq of the transition that armed it, so a replaced timer is recognised."""

    generation: int
    due: Millis
    left_ms: int | None = None
    """What remained of it when the run was paused; None while it runs."""


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Why something failed: a stable type to match on, and a sentence for people."""

    type: str
    message: str = ""


class OpenToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token that is not closed. The run's counter counts these."""

    state: TokenState
    attempt: int = 1
    """The attempt that is out, or that will be dispatched next."""
    type: str = ""
    """The task stream its current attempt was put on; empty unless dispatched."""
    min_attempt: int = 1
    """Signals of attempts below this one are late and change nothing."""
    deliveries: int = 0
    """Workers lost over it."""
    sources: tuple[EdgeId, ...] = ()
    """The edges that fired it, in the order they resolved."""
    activated_at: Millis = Millis(0)
    dispatched_at: Millis | None = None
    timers: dict[TimerId, Timer] = {}
    error: ErrorInfo | None = None
    """Its last failure, while it backs off or is parked."""
    payload: Output | None = None
    """What its worker is handed in place of what fired it: a redrive gave it another input."""
    iteration: int = 0
    """Of a loop that is beginning: the number of the pass that comes next."""


class Result(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How an activation ended. For control nodes `of` names the tokens whose outputs it passes on instead of data."""

    status: ResultStatus
    attempt: int = 0
    started_at: Millis | None = None
    ended_at: Millis = Millis(0)
    output: Output = EMPTY
    of: tuple[TokenId, ...] = ()
    error: ErrorInfo | None = None
    reason: str = ""
    """Of a skip: no_live_edge or upstream_failed. Of a cancellation: frame_ended, run_cancelled, run_failed …"""


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An open instance of a region."""

    revision: int
    """The revision under which it was entered."""
    entered_at: Millis
    iteration: int = 1


class Fork(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run was forked from: the history of another up to one of its events, less what is done anew."""

    run_id: RunId
    seq: int
    anew: tuple[TokenId, ...] = ()
    """Activations whose signals were not taken over, nor those of anything behind them."""
    inputs: dict[TokenId, Output] = {}
    """What workers of some of them are handed in place of what fires them."""
    reason: str = ""
    by: str = ""
    request: str = ""
    """Names the request that made it, where that had an `Idempotency-Key`."""


class RunHead(msgspec.Struct, omit_defaults=True):
    """The fields of a run itself."""

    run_id: RunId
    workflow: str
    plan: Digest
    definition: Digest
    """Names the author's document in Postgres; patches apply to that, not to the plan."""
    engine: str
    """The CEL engine that decides this run's conditions, pinned at start."""
    created_at: Millis
    status: RunStatus = "QUEUED"
    revision: int = 1
    seq: int = 0
    tip: Tip = Tip("")
    tokens_made: int = 0
    passes_made: int = 0
    failed: bool = False
    """A failure went unhandled under `failure_policy: continue`; the run will end FAILED."""
    input: Output = EMPTY
    output: Output = EMPTY
    error: ErrorInfo | None = None
    timer: Timer | None = None
    """The run's max_duration."""
    ended_at: Millis | None = None
    metadata: Any = None
    forked: Fork | None = None
    protocol: int = 1
    """`pointsman.protocol.version`: of the release that started it."""


class Snapshot(msgspec.Struct):
    """One run's state at a tip. `step` never changes one; only `pointsman.step.fold.advance` does."""

    head: RunHead
    tokens: dict[TokenId, OpenToken] = {}
    results: dict[TokenId, Result] = {}
    joins: dict[TokenId, dict[EdgeId, Resolution]] = {}
    """For nodes with several in-edges: how those that resolved did, in that order."""
    frames: dict[FrameId, Frame] = {}
    blobs: dict[str, bytes] = {}
    """Outputs that live in the blob store, loaded because `reads` named them."""
    lost: set[str] = set()
    """Those that were named and are not there: whoever reads one fails."""

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.head.status in FINAL
