"""What a batch of events changes among the dead letters: those it makes, and those it settles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from pointsman.adapters.postgres.event_head import Entry, EventHead
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import TokenId, split_token
from pointsman.ports.dead_letters import LetterStatus
from pointsman.protocol.dead_letter import DeadLetterKind, DeadToken, letter_of_token

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection


class Letters(msgspec.Struct):
    """The letters of a batch, and what settles letters, as rows."""

    made: list[tuple[object, ...]] = []
    settled: list[tuple[object, ...]] = []

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Letters:
        """Gather them. Hardly any event has one."""
        found = cls()
        for entry in entries:
            if entry.head.dead or entry.head.unparked:
                found.made += [_made(entry, dead) for dead in entry.head.dead]
                found.settled += [_settled(entry, token) for token in entry.head.unparked]
        return found

    async def write(self, connection: Connection) -> tuple[DeadLetterKind, ...]:
        """Write the rows, inside the caller's transaction; the kinds of the letters that are new."""
        kinds: tuple[DeadLetterKind, ...] = ()
        if self.made:
            rows = await connection.fetch(sql("record_dead_tokens"), *_columns(self.made))
            kinds = tuple(row["kind"] for row in rows)
        if self.settled:
            await connection.execute(sql("settle_dead_letters"), *_columns(self.settled))
        return kinds


def _made(entry: Entry, dead: DeadToken) -> tuple[object, ...]:
    event, head = entry
    return (
        letter_of_token(event.run_id, event.epoch, event.seq, dead.token),
        _kind(head, dead),
        head.at,
        event.run_id,
        event.epoch,
        event.seq,
        dead.token,
        split_token(dead.token)[1],
        dead.type or None,
        dead.attempt,
        dead.is_parked,
        printable(dead.error.type),
        printable(dead.error.message),
    )


def _kind(head: EventHead, dead: DeadToken) -> DeadLetterKind:
    is_lost = head.cause in ("worker_lost", "fork") and dead.error.type == "poison"
    return "poison" if is_lost else "failed"


def _settled(entry: Entry, token: TokenId) -> tuple[object, ...]:
    event, head = entry
    status = _BY_COMMAND.get(head.cause, "closed")
    sender = head.signal
    by, reason = (sender.by, sender.reason) if sender is not None else ("", "")
    told = reason if status != "closed" else head.cause
    is_edited = sender is not None and bool(sender.payload)
    return event.run_id, token, event.epoch, event.seq, status, head.at, printable(by), printable(told), is_edited


_BY_COMMAND: dict[str, LetterStatus] = {"redrive": "redriven", "skip": "skipped"}


def _columns(rows: Sequence[tuple[object, ...]]) -> Iterable[list[object]]:
    return map(list, zip(*rows, strict=True))
