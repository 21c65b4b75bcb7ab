"""Journal: the durable record of every transition, and what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pointsman.base.ids import RunId, Tip


class JournalEvent(msgspec.Struct, frozen=True):
    """One event off the events stream. `(run_id, epoch, seq)` names it for ever."""

    run_id: RunId
    epoch: int
    seq: int
    tip: Tip
    body: bytes
    """The encoded transition, `pointsman.protocol.transition.decode_event` reads it."""


class Journal(Protocol):
    """Append-only. The same key with the same content is written once; with other content it is an alarm."""

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Write a batch, all or nothing."""
        ...

    async def events(self, run: RunId, after_seq: int, limit: int) -> list[JournalEvent]:
        """A run's events with a greater seq, in order."""
        ...

    async def position(self, run: RunId) -> int:
        """The seq of the last event of a run that is durable; 0 where there is none."""
        ...
