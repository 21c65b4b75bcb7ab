"""Which blobs the runs in Postgres refer to."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Millis

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class BlobReferences:
    """References to blobs. Events bring them, by a trigger; runs that are removed release them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def needed(self, digests: Collection[str], since: Millis) -> set[str]:
        """Those that an open or kept run refers to, or one that was removed at `since` or later."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("needed_blobs"), list(digests), since)
        return {row["digest"] for row in rows}

    async def forget(self, digests: Collection[str]) -> None:
        """Forget what removed runs referred to."""
        with reaching_postgres():
            await self._pool.execute(sql("forget_blob_references"), list(digests))
