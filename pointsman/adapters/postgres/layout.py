"""How many partitions the runs in Redis are spread over, as it is written down for every process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool


class PostgresLayout:
    """The adapter of `pointsman.execute.layout.LayoutRecord`; the docstrings there hold here."""

    def __init__(self, connection: Connection | Pool) -> None:
        self._connection = connection

    async def partitions(self) -> int | None:
        """Read the number; one where only a release has opened Redis that knew of no more."""
        with reaching_postgres():
            known: int | None = await self._connection.fetchval(sql("partitions_laid_out"))
        return known

    async def change(self, known: int | None, partitions: int) -> None:
        """Write the number down, unless somebody else has since it was read."""
        with reaching_postgres():
            await self._connection.execute(sql("lay_out"), partitions, known)
