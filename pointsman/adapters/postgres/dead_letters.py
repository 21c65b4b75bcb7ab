"""Dead letters in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.ports.dead_letters import NEWEST_LETTER, DeadLetter, LetterFilter, Place, RejectedSignal
from pointsman.protocol.dead_letter import addressee, letter_of_signal

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class PostgresDeadLetters:
    """See `pointsman.ports.dead_letters.DeadLetters`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, wanted: LetterFilter, *, after: Place = NEWEST_LETTER, limit: int = 100) -> list[DeadLetter]:
        """Letters behind a place, newest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("page_of_dead_letters"), *after, limit, *msgspec.structs.astuple(wanted))
        return [_letter(row) for row in rows]

    async def get(self, letter: str) -> DeadLetter | None:
        """One letter."""
        with reaching_postgres():
            row = await self._pool.fetchrow(sql("get_dead_letter"), letter)
        return _letter(row) if row else None

    async def record(self, signals: Sequence[RejectedSignal]) -> int:
        """Write signals down that were set aside; how many were not there before."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("record_rejected_signals"), *zip(*map(_rejected, signals), strict=True))
        return len(rows)


def _rejected(signal: RejectedSignal) -> tuple[object, ...]:
    about = addressee(signal.signal)
    return (
        letter_of_signal(signal.entry),
        int(signal.entry.partition("-")[0]),
        about.run,
        about.token,
        about.node,
        about.attempt,
        printable(signal.code),
        printable(signal.reason),
        signal.signal,
        signal.length,
    )


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(**row)
