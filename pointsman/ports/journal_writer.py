"""JournalWriter: the one process that may write a stream's events down, and what it says about each batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from pointsman.base.ids import RunId
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.dead_letter import DeadLetterKind
from pointsman.protocol.state import RunStatus

AlarmKind = Literal["other_content", "unreadable", "projection_refused"]


class Alarm(NamedTuple):
    """Something that must not happen, kept beside the journal for someone to look into."""

    kind: AlarmKind
    event: JournalEvent
    detail: str


class Written(NamedTuple):
    """What became of a batch."""

    rows: int
    """Events that were not there before."""
    ended: Mapping[RunId, RunStatus]
    """Runs whose final event is in the batch, and durable now."""
    alarms: tuple[Alarm, ...] = ()
    dead: tuple[DeadLetterKind, ...] = ()
    """The kinds of the dead letters that came of it."""


class JournalWriter(Protocol):
    """A lease on writing one stream's events. Losing the server loses the lease."""

    async def acquire(self) -> bool:
        """Try to become the writer; True if this is it. Asking again renews the lease.

        Raises:
            ServerUnavailable: The server is lost, and the lease with it: `release` before asking again.
        """
        ...

    async def write(self, events: Sequence[JournalEvent]) -> Written:
        """Write a batch with its projections, all or nothing; what is there already is passed over."""
        ...

    async def release(self) -> None:
        """Give the lease up."""
        ...
