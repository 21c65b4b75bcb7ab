"""Requests with an Idempotency-Key: the same one twice is carried out once, and answered twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.ports.run_index import Request

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

_GIVEN_UP_AFTER_MS = 60_000


class Claim(NamedTuple):
    """Whether to carry a request out.

    fresh: do it, then `answer` or `release`. answered: it was done, and `response` is what was answered. running: it
    is being done. key_reused: the key came with another request before.
    """

    outcome: Literal["fresh", "answered", "running", "key_reused"]
    response: bytes | None = None


class IdempotencyKeys:
    """The keys seen so far, with what was answered. Starting a run keeps its key by itself (`Runs.accept`)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, request: Request) -> Claim:
        """Ask for leave to carry `request` out. A claim that was never answered lapses after a minute."""
        with reaching_postgres():
            if await self._pool.fetchval(sql("claim_key"), *request) is not None:
                return Claim("fresh")
            earlier = await self._pool.fetchrow(sql("get_key"), request.scope, request.key)
            if earlier is None:  # released in between
                return Claim("running")
            if earlier["request"] != request.digest:
                return Claim("key_reused")
            if earlier["response"] is not None:
                return Claim("answered", earlier["response"])
            return Claim("fresh" if await self._take_over(request) else "running")

    async def answer(self, request: Request, response: bytes) -> None:
        """Keep what was answered, for the next time the request comes."""
        with reaching_postgres():
            await self._pool.execute(sql("answer_key"), request.scope, request.key, response)

    async def release(self, request: Request) -> None:
        """Forget a claim whose request was refused: it may be sent again."""
        with reaching_postgres():
            await self._pool.execute(sql("release_key"), request.scope, request.key)

    async def _take_over(self, request: Request) -> bool:
        taken = await self._pool.fetchval(sql("take_over_key"), request.scope, request.key, _GIVEN_UP_AFTER_MS)
        return taken is not None
