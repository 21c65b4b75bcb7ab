"""Definitions and plans in Postgres, named by their content."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


class Documents:
    """What authors wrote and what it compiled to. Storing the same bytes again changes nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put_definition(self, body: bytes) -> Digest:
        """Store a definition's canonical JSON; its SHA-256 names it."""
        return await self._put(sql("put_definition"), body)

    async def put_plan(self, body: bytes) -> Digest:
        """Store a plan's canonical JSON; its SHA-256 names it."""
        return await self._put(sql("put_plan"), body)

    async def definition(self, digest: Digest) -> bytes | None:
        """A definition exactly as it was stored."""
        return await self._get(sql("get_definition"), digest)

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan exactly as it was stored."""
        return await self._get(sql("get_plan"), digest)

    async def _put(self, statement: str, body: bytes) -> Digest:
        digest = Digest(hashlib.sha256(body).hexdigest())
        with reaching_postgres():
            await self._pool.execute(statement, digest, body)
        return digest

    async def _get(self, statement: str, digest: Digest) -> bytes | None:
        with reaching_postgres():
            body: bytes | None = await self._pool.fetchval(statement, digest)
        return body
