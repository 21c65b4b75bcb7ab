"""The few fields of an event that rows are made of; the rest of its bytes is passed over unread."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from pointsman.base.ids import Digest, Millis, TokenId
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.output import EMPTY, NOTHING, Output
from pointsman.protocol.state import FINAL, RunHead, RunStatus
from pointsman.protocol.version import must_know


class PatchHead(msgspec.Struct):
    """What an accepted edit says about itself, its operations and their inverse unread."""

    revision: int
    plan: Digest
    definition: Digest
    base_definition: Digest
    by: str = ""
    description: str = ""
    operations: msgspec.Raw = NOTHING
    inverse: msgspec.Raw = NOTHING


class SenderHead(msgspec.Struct):
    """Who sent a command, why, and what with."""

    by: str = ""
    reason: str = ""
    payload: msgspec.Raw = NOTHING


class EventHead(msgspec.Struct):
    """What the journal reads of a transition."""

    at: Millis
    cause: str
    started: RunHead | None = None
    status: RunStatus | None = None
    error: msgspec.Raw = NOTHING
    output: Output = EMPTY
    patch: PatchHead | None = None
    dead: tuple[DeadToken, ...] = ()
    unparked: tuple[TokenId, ...] = ()
    signal: SenderHead | None = None
    protocol: int = 1

    @property
    def is_final(self) -> bool:
        """Whether the run ended with it."""
        return self.status in FINAL


class Entry(NamedTuple):
    """An event with its head."""

    event: JournalEvent
    head: EventHead


class Unreadable(NamedTuple):
    """An event that no row can be made of, and why."""

    event: JournalEvent
    reason: str


class Versioned(msgspec.Struct):
    """What can be read of an event of any release."""

    protocol: int = 1


_DECODER = msgspec.json.Decoder(EventHead)
_VERSION = msgspec.json.Decoder(Versioned)


def decode_head(body: bytes) -> EventHead:
    """Read the head of an encoded transition. Raises `ReleaseTooOld` where a newer release has written it."""
    try:
        head = _DECODER.decode(body)
    except msgspec.ValidationError:
        must_know(_VERSION.decode(body).protocol, "an event")
        raise
    must_know(head.protocol, "an event")
    return head


def examine(event: JournalEvent) -> Entry | Unreadable:
    """Read an event's head and make sure that the table `events` takes it; nothing else may raise over it."""
    try:
        head = decode_head(event.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        return Unreadable(event, f"its body is not a transition: {wrong}")
    if not (0 <= event.epoch < 1 << 63 and 1 <= event.seq < 1 << 63):
        return Unreadable(event, "its epoch or seq is out of range")
    if not event.tip:
        return Unreadable(event, "it has no tip")
    if "\0" in event.run_id + event.tip + head.cause:
        return Unreadable(event, "its run id, tip or cause holds a NUL")
    return Entry(event, head)
