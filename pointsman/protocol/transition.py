"""The transition: everything one signal or command changes in one run, as a value (stage 8).

It is also the event: the journal stores its encoding, and folding the events of a run gives its snapshot.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pointsman.base.ids import Digest, EdgeId, FrameId, Millis, NodeId, RunId, TimerId, Tip, TokenId
from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.note import Note
from pointsman.protocol.output import EMPTY, Output
from pointsman.protocol.signal import Signal
from pointsman.protocol.state import ErrorInfo, Frame, OpenToken, Resolution, Result, RunHead, RunStatus, Timer
from pointsman.protocol.version import must_know


class Dispatch(msgspec.Struct, frozen=True):
    """A task to be put on the stream of its type. `body` is the wire token; events leave it out (it is derived)."""

    token: TokenId
    type: str
    node: NodeId
    body: bytes


class Message(msgspec.Struct, frozen=True):
    """An effect on another run or a shared key, delivered at least once from the outbox."""

    id: str
    kind: str
    body: Any = None


class Patch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a `run_patched` transition says about the edit that made it."""

    revision: int
    plan: Digest
    definition: Digest
    base_definition: Digest
    by: str = ""
    description: str = ""
    operations: tuple[Any, ...] = ()
    """RFC 6902: as sent, or what a merge patch or a pattern became."""
    inverse: tuple[Any, ...] = ()
    """The operations that take the definition back to what it was."""
    request: str = ""
    """Names the request that made it, where that had an `Idempotency-Key`."""


class Transition(msgspec.Struct, omit_defaults=True):
    """What changes. Every field empty but the first few: the signal changed nothing (and `reason` says why)."""

    run_id: RunId
    seq: int
    prev: Tip
    """The tip this was stepped from; apply refuses (`stale`) on any other."""
    at: Millis
    cause: str
    """The kind of the signal or command: start, completed, failed, timer, …, patch."""
    signal: Signal | None = None
    """What caused it, its output left out (that is in `ended`): the history's record of it."""
    reason: str = ""
    """Why nothing changed: late, duplicate, not_open …; empty otherwise."""
    started: RunHead | None = None
    """The run's first fields, in its first transition only."""
    status: RunStatus | None = None
    error: ErrorInfo | None = None
    output: Output = EMPTY
    """Of the run, once it completed."""
    timer: Timer | None = None
    """The run's own timer, where it changed."""
    failed: bool = False
    """From now on the run can only end FAILED."""
    tokens_made: int = 0
    """Activations this transition added."""
    passes_made: int = 0
    patch: Patch | None = None
    ended: dict[TokenId, Result] = {}
    forgotten: tuple[TokenId, ...] = ()
    """Results that went with their frame."""
    opened: dict[TokenId, OpenToken] = {}
    """Tokens opened or changed, as they now are."""
    closed: tuple[TokenId, ...] = ()
    joined: dict[TokenId, dict[EdgeId, Resolution]] = {}
    """In-edges of joins that resolved."""
    unjoined: tuple[TokenId, ...] = ()
    frames: dict[FrameId, Frame] = {}
    frames_ended: tuple[FrameId, ...] = ()
    armed: dict[TimerId, Timer] = {}
    disarmed: dict[TimerId, int] = {}
    """Timers to take off the clock, each with the generation that is on it."""
    notes: tuple[Note, ...] = ()
    messages: tuple[Message, ...] = ()
    dead: tuple[DeadToken, ...] = ()
    """Tokens that became dead letters."""
    unparked: tuple[TokenId, ...] = ()
    """Tokens that were parked and are not any more: their letters are settled."""
    erased: tuple[TokenId, ...] = ()
    """Tokens that an edit closed: their history goes, so that no later replay meets them."""
    kept: tuple[HistoryRecord, ...] = ()
    """The history that a fork begins with, in its first transition only."""
    protocol: int = 1
    """The run's, see `RunHead`."""
    more: bool = False
    """Tokens wait, queued or beginning: the run sends itself a `continue`."""

    # Below: for apply only; derived, so left out of the event.
    dispatches: tuple[Dispatch, ...] = ()
    withdrawn: dict[TokenId, str] = {}
    """Tokens whose current stream entry goes away, with the type of its stream."""

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing; such a verdict is confirmed by apply all the same (SEMANTICS §2)."""
        return bool(self.reason)


class Sealed(msgspec.Struct, frozen=True):
    """A transition with its event's bytes and the tip derived from both."""

    transition: Transition
    event: bytes
    tip: Tip


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Transition)


def seal(transition: Transition) -> Sealed:
    """Encode the event and derive the new tip from the one before and the content."""
    dispatches, withdrawn = transition.dispatches, transition.withdrawn
    transition.dispatches, transition.withdrawn = (), {}
    event = _ENCODER.encode(transition)
    transition.dispatches, transition.withdrawn = dispatches, withdrawn
    tip = hashlib.blake2b(event, digest_size=8, key=transition.prev.encode()).hexdigest()
    return Sealed(transition, event, Tip(tip))


def tip_after(change: Transition) -> Tip:
    """The tip of a run that has taken a transition."""
    return change.prev if change.is_empty else seal(change).tip


def decode_event(event: bytes) -> Transition:
    """Read an event back: the transition without what is derived from it.

    Raises:
        ReleaseTooOld: A newer release has written it.
    """
    try:
        change = _DECODER.decode(event)
    except msgspec.ValidationError:
        must_know(_VERSION.decode(event).protocol, "an event")
        raise
    must_know(change.protocol, f"an event of run {change.run_id}")
    return change


class _Versioned(msgspec.Struct):
    """What can be read of an event of any release."""

    protocol: int = 1


_VERSION = msgspec.json.Decoder(_Versioned)
