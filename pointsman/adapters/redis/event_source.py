"""RedisEventSource: the events stream as the journal reads it.

Without a consumer group. What is written down is removed, so the head of the stream is what is not written yet, and a
reader that lost its lease without knowing takes nothing from the one that has it: with a group, entries it was given
would be passed over by its successor, who would write later ones first. Nor does every entry read cost a write to the
append-only file, as it does in a group.

Others may read the stream in groups of their own. What such a group has not read and acknowledged stays for it, up to
`MOST_HELD` events behind the journal: then the oldest go, since a reader that never comes back must not fill the memory
that runs need. They are in Postgres all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs
from pointsman.adapters.redis.wire import Answer
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis, RunId, Tip
from pointsman.ports.event_source import StreamedEvent
from pointsman.ports.journal import JournalEvent

_FIELDS: Final = [b"run_id", b"epoch", b"seq", b"tip", b"event"]
_BEGINNING: Final = "0-0"
_GRACE_S: Final = 10.0

MOST_HELD: Final = 100_000
"""Events that are kept for other groups after the journal has passed them."""
_LOOK_FOR_GROUPS_S: Final = 1.0

log = structlog.get_logger()
Place = tuple[int, int]
"""An entry's id, so that it can be compared."""


class RedisEventSource:
    """The adapter of `pointsman.ports.event_source.EventSource`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._connection = partition.connection
        self._reading = partition.connection.sibling()
        self._stream = partition.keys.events
        self._position = _BEGINNING
        self._passed: deque[str] = deque()
        """Events that may go as far as the journal is concerned, oldest first."""
        self._has_groups = False
        self._looked_at = float("-inf")
        self._is_dropping = False

    def rewind(self) -> None:
        """Let the next `read` begin with the first event that is there."""
        self._position = _BEGINNING
        self._passed.clear()

    async def read(self, count: int, block_ms: int) -> list[StreamedEvent]:
        """The next events. What a failed or cancelled call would have returned, the next call returns."""
        block: Command = ("BLOCK", block_ms) if block_ms else ()
        answer: Answer = await self._reading.ask(
            *("XREAD", "COUNT", count, *block, "STREAMS", self._stream, self._position),
            patience_s=block_ms / 1000 + _GRACE_S,
        )
        if not answer:
            if self._passed:
                await self._trim()
            return []
        events = [_event(name, fields) for name, fields in answer[0][1]]
        self._position = events[-1].id
        return events

    async def remove(self, events: Sequence[StreamedEvent]) -> None:
        """Take events off the stream, but those that another group has not finished with: they go once it has."""
        if events:
            self._passed.extend(event.id for event in events)
            await self._trim()

    async def _trim(self) -> None:
        needed = await self._needed()
        going: list[str] = []
        while self._passed and (needed is None or _place(self._passed[0]) < needed):
            going.append(self._passed.popleft())
        dropped = max(0, len(self._passed) - MOST_HELD)
        going += [self._passed.popleft() for _ in range(dropped)]
        if dropped and not self._is_dropping:
            log.warning("events_dropped", held=MOST_HELD)
        self._is_dropping = dropped > 0 or (self._is_dropping and len(self._passed) > MOST_HELD // 2)
        if going:
            await self._connection.ask("XDEL", self._stream, *going)

    async def _needed(self) -> Place | None:
        """The first event that some group needs still; None where there is no group."""
        if not self._has_groups and monotonic() - self._looked_at < _LOOK_FOR_GROUPS_S:
            return None
        try:
            groups = [_named(group) for group in await self._connection.ask("XINFO", "GROUPS", self._stream)]
        except ServerUnavailable as why:
            if "no such key" not in str(why):
                raise
            groups = []  # the stream was never written to
        self._has_groups, self._looked_at = bool(groups), monotonic()
        return min([await self._needed_by(group) for group in groups], default=None)

    async def _needed_by(self, group: dict[bytes, Answer]) -> Place:
        if group[b"pending"]:
            _, first, *_ = await self._connection.ask("XPENDING", self._stream, group[b"name"])
            if first:
                return _place(first.decode())
        at, count = _place(group[b"last-delivered-id"].decode())
        return at, count + 1

    async def aclose(self) -> None:
        """Close its connection."""
        await self._reading.aclose()


def _named(flat: list[Answer]) -> dict[bytes, Answer]:
    return dict(pairs(flat))


def _place(entry: str) -> Place:
    at, _, count = entry.partition("-")
    return int(at), int(count)


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
