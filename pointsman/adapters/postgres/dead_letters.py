"""Dead letters in Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import RunId
from pointsman.ports.dead_letters import NEWEST_LETTER, DeadLetter, LetterFilter, Place, RejectedSignal
from pointsman.protocol.dead_letter import addressee, letter_of_signal

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool
DECIDING_AT_ONCE: Final = 3


class PostgresDeadLetters:
    """See `pointsman.ports.dead_letters.DeadLetters`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # Who decides holds a connection and asks for others meanwhile: were it all of them, nobody would get one.
        self._hands = asyncio.Semaphore(DECIDING_AT_ONCE)

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

    @asynccontextmanager
    async def deciding(self, letter: str) -> AsyncIterator[Deciding | None]:
        """A letter that is open, kept from everybody else; what is decided holds at the end. None where it is not."""
        with reaching_postgres():
            async with self._hands, self._pool.acquire() as connection, connection.transaction():
                is_open = await connection.fetchval(sql("hold_dead_letter"), letter) is not None
                yield Deciding(connection, letter) if is_open else None

    async def record(self, signals: Sequence[RejectedSignal]) -> int:
        """Write signals down that were set aside; how many were not there before."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("record_rejected_signals"), *zip(*map(_rejected, signals), strict=True))
        return len(rows)


class Deciding:
    """An open letter, held by whoever decides what becomes of it."""

    def __init__(self, connection: Connection, letter: str) -> None:
        self._connection = connection
        self._letter = letter

    async def redriven(self, by: str, reason: str, *, is_edited: bool = False, became: RunId | None = None) -> None:
        """Write down that it was redriven, and in which run if not in its own."""
        told = (printable(by), printable(reason), is_edited, became)
        await self._connection.execute(sql("mark_dead_letter_redriven"), self._letter, *told)

    async def redriven_with(self, others: Sequence[str], by: str, reason: str, became: RunId) -> None:
        """Write down that others of its run, those of them that are open, were redriven together with it."""
        told = (printable(by), printable(reason), became)
        await self._connection.execute(sql("mark_dead_letters_redriven"), others, *told)


def _rejected(signal: RejectedSignal) -> tuple[object, ...]:
    about = addressee(signal.signal)
    return (
        letter_of_signal(signal.entry, signal.partition),
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
