"""The outermost layer: each request is counted, and what ends without an answer is given one."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator_api.problems import INTERNAL, problem
from pointsman.base.clock import monotonic
from pointsman.metrics import Metrics

log = structlog.get_logger()

UNROUTED: Final = "(none)"
CUT_SHORT: Final = (
    "this process was told to stop, and its grace period ended before the request was done. Whether it changed "
    "anything is not known: look, then send it again."
)


class Measuring:
    """Counts requests by route, and answers where nothing else could."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            # Requests are cancelled by one alone: the process, which ends and waits for them no longer.
            if status:
                raise
            await problem("API018", CUT_SHORT)(scope, receive, noting)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=scope["path"])
            if not status:
                await _internal(scope, receive, noting)
        finally:
            self._count(scope, status, monotonic() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self._metrics.http_requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.http_seconds.labels(route).observe(seconds)


async def _internal(scope: Scope, receive: Receive, send: Send) -> None:
    told = "the request failed for a reason that nobody foresaw: a bug in Pointsman. Its log says more."
    await problem(INTERNAL, told)(scope, receive, send)


def _route(scope: Scope) -> str:
    route: Any = scope.get("route")
    return getattr(route, "path", UNROUTED)
