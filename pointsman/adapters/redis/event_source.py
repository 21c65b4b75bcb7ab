"""RedisEventSource: the events stream as the journal reads it.

Without a consumer group. What is written down is removed, so the head of the stream is what is not written yet, and a
reader that lost its lease without knowing takes nothing from the one that has it: with a group, entries it was given
would be passed over by its successor, who would write later ones first. Nor does every entry read cost a write to the
append-only file, as it does in a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.wire import Answer
from pointsman.base.ids import Millis, RunId, Tip
from pointsman.ports.event_source import StreamedEvent
from pointsman.ports.journal import JournalEvent

_FIELDS: Final = [b"run_id", b"epoch", b"seq", b"tip", b"event"]
_BEGINNING: Final = "0-0"
_GRACE_S: Final = 10.0


class RedisEventSource:
    """The adapter of `pointsman.ports.event_source.EventSource`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._connection = partition.connection
        self._reading = partition.connection.sibling()
        self._stream = partition.keys.events
        self._position = _BEGINNING

    def rewind(self) -> None:
        """Let the next `read` begin with the first event that is there."""
        self._position = _BEGINNING

    async def read(self, count: int, block_ms: int) -> list[StreamedEvent]:
        """The next events. What a failed or cancelled call would have returned, the next call returns."""
        block: Command = ("BLOCK", block_ms) if block_ms else ()
        answer: Answer = await self._reading.ask(
            *("XREAD", "COUNT", count, *block, "STREAMS", self._stream, self._position),
            patience_s=block_ms / 1000 + _GRACE_S,
        )
        if not answer:
            return []
        events = [_event(name, fields) for name, fields in answer[0][1]]
        self._position = events[-1].id
        return events

    async def remove(self, events: Sequence[StreamedEvent]) -> None:
        """Take events off the stream."""
        if events:
            await self._connection.ask("XDEL", self._stream, *(event.id for event in events))

    async def aclose(self) -> None:
        """Close its connection."""
        await self._reading.aclose()


def _event(name: bytes, fields: list[bytes]) -> StreamedEvent:
    entry = name.decode()
    at = Millis(int(entry.partition("-")[0]))
    try:
        if fields[::2] != _FIELDS:
            raise ValueError("not the fields of an event")
        run_id, epoch, seq, tip, body = fields[1::2]
        event = JournalEvent(RunId(run_id.decode()), int(epoch), int(seq), Tip(tip.decode()), body)
    except ValueError:
        # Not ours: the journal finds that nothing can be made of it, and keeps the bytes with an alarm.
        event = JournalEvent(RunId(""), 0, 0, Tip(""), b" ".join(fields))
    return StreamedEvent(entry, at, event)
