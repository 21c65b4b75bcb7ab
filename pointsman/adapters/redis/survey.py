"""A look at several partitions that does not hang on the one that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from pointsman.adapters.redis.faults import REPLACED, unavailable
from pointsman.base.clock import monotonic
from pointsman.base.errors import ServerUnavailable

T = TypeVar("T")
P = TypeVar("P")

_PATIENCE_S: Final = 1.0
_LEFT_ALONE_S: Final = 2.0
"""How long what could not be asked is not asked again."""


class Survey(Generic[P]):
    """Asks several places at once, and does without those that cannot be asked."""

    def __init__(self, places: Sequence[P]) -> None:
        self._places = places
        self._left_until: dict[int, float] = {}
        self._why: ServerUnavailable | None = None

    async def each(self, look: Callable[[P], Awaitable[T]]) -> list[T]:
        """What the places answer, in their order. Raises `ServerUnavailable` where none does."""
        now = monotonic()
        asked = [number for number in range(len(self._places)) if self._left_until.get(number, now) <= now]
        told = await asyncio.gather(*(self._look(number, look) for number in asked))
        found = [answer for answers in told for answer in answers]
        if not found and self._why is not None:
            raise ServerUnavailable(self._why.code, self._why.message)
        return found

    async def _look(self, number: int, look: Callable[[P], Awaitable[T]]) -> list[T]:
        """Its answer; empty where it has none."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return [await self._answer(number, look)]
        except ServerUnavailable as why:
            self._why = why
        except TimeoutError:
            told = f"Redis has not answered for {_PATIENCE_S:g} s when it was looked at; nothing was changed."
            self._why = unavailable("SRV010", told)
        self._left_until[number] = monotonic() + _LEFT_ALONE_S
        return []

    async def _answer(self, number: int, look: Callable[[P], Awaitable[T]]) -> T:
        try:
            return await look(self._places[number])
        except ServerUnavailable as why:
            if why.code != REPLACED:
                raise
            # Nothing is changed by a look: the process that is there now may answer it.
            return await look(self._places[number])
