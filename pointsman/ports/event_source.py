"""EventSource: the events stream, as the one process sees it that writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pointsman.base.ids import Millis
from pointsman.ports.journal import JournalEvent


class StreamedEvent(NamedTuple):
    """An event as it stands on the stream."""

    id: str
    at: Millis
    """When it was put there, by the store's clock."""
    event: JournalEvent


class EventSource(Protocol):
    """The events that nobody has removed, in order. Reading leaves no trace: only removing does."""

    def rewind(self) -> None:
        """Let the next `read` begin with the first event that is there."""
        ...

    async def read(self, count: int, block_ms: int) -> list[StreamedEvent]:
        """The next events, at most `count`, waiting up to `block_ms` for the first; 0 does not wait."""
        ...

    async def remove(self, events: Sequence[StreamedEvent]) -> None:
        """Take events off the stream. Only after they are durable: nothing else holds them."""
        ...
