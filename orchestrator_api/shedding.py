"""Shedding: more requests than can be served at once are told to come again, before anything is done for them."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator_api.access import OPEN_PATHS
from orchestrator_api.problems import problem


class Shedding:
    """Bounds how many requests are served at the same time: of everybody (503), and of one caller (429)."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most
        self._most_of_one = max(1, most // 2)
        self._serving: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or turn it away."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return
        caller: str = scope.get("state", {}).get("caller", "")
        all_of_them, own = self._serving.total(), self._serving[caller]
        if all_of_them >= self._most or own >= self._most_of_one:
            told = f"{all_of_them} requests are being served, {own} of them yours; nothing was done. Send it again."
            status = 503 if all_of_them >= self._most else 429
            await problem("API084", told, status=status)(scope, receive, send)
            return
        self._serving[caller] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._serving[caller] -= 1
