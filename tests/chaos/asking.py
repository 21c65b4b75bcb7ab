"""How the API is asked: of several, the next one each time, as who asks again asks another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, Final

import httpx

BUG: Final = 500


class Asking:
    """All who ask in a round."""

    def __init__(self, client: httpx.AsyncClient, urls: Sequence[str]) -> None:
        self._client = client
        self._urls = cycle(urls)
        self.failed: list[str] = []
        """Answers that nobody foresaw."""

    async def post(
        self, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status of an answer and what it says; 0 where there is none, which may mean anything."""
        return await self._asked("POST", path, json=body, headers=headers)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """As `post`."""
        return await self._asked("GET", path)

    async def _asked(self, method: str, path: str, **told: Any) -> tuple[int, dict[str, Any]]:
        try:
            answered = await self._client.request(method, f"{next(self._urls)}{path}", **told)
        except httpx.HTTPError:
            return 0, {}
        if answered.status_code == BUG:
            self.failed.append(f"{path}: {answered.text[:300]}")
            return BUG, {}
        return answered.status_code, answered.json()
