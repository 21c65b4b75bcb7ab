"""Definitions and plans in Postgres, named by their content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


MOST_BYTES: Final = 16 << 20
"""What the definitions that are kept in memory may take."""


class Documents:
    """What authors wrote and what it compiled to. Storing the same bytes again changes nothing.

    The definitions that were read or stored last are kept: who edits a run reads what the edit before has stored.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: OrderedDict[Digest, bytes] = OrderedDict()
        self._size = 0

    async def put(self, definition: bytes, plan: bytes) -> Digest:
        """Store a definition and its plan at once; the definition's digest."""
        digest = _digest(definition)
        with reaching_postgres():
            await self._pool.execute(sql("put_definition_and_plan"), digest, definition, _digest(plan), plan)
        self._keep(digest, definition)
        return digest

    async def put_definition(self, body: bytes) -> Digest:
        """Store a definition's canonical JSON; its SHA-256 names it."""
        return await self._put(sql("put_definition"), body)

    async def put_plan(self, body: bytes) -> Digest:
        """Store a plan's canonical JSON; its SHA-256 names it."""
        return await self._put(sql("put_plan"), body)

    async def definition(self, digest: Digest) -> bytes | None:
        """A definition exactly as it was stored."""
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        body = await self._get(sql("get_definition"), digest)
        if body is not None:
            self._keep(digest, body)
        return body

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan exactly as it was stored."""
        return await self._get(sql("get_plan"), digest)

    async def _put(self, statement: str, body: bytes) -> Digest:
        digest = _digest(body)
        with reaching_postgres():
            await self._pool.execute(statement, digest, body)
        return digest

    async def _get(self, statement: str, digest: Digest) -> bytes | None:
        with reaching_postgres():
            body: bytes | None = await self._pool.fetchval(statement, digest)
        return body

    def _keep(self, digest: Digest, body: bytes) -> None:
        if digest not in self._known:
            self._known[digest] = body
            self._size += len(body)
        while self._size > MOST_BYTES:
            self._size -= len(self._known.popitem(last=False)[1])


def _digest(body: bytes) -> Digest:
    return Digest(hashlib.sha256(body).hexdigest())
