"""`/healthz`, `/readyz` and `/metrics` of a process that has no HTTP server of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from pointsman.base.errors import ServerUnavailable
from pointsman.metrics import Metrics

_PATIENCE_S: Final = 5.0
_LONGEST_REQUEST: Final = 8_192
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Whether a process does its work, and if not, why. A process is ready when nothing speaks against it."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        """What is not as it should be, by whose work it keeps from being done."""

    def unready(self, who: str, reason: str) -> None:
        """Say that `who` cannot work now."""
        self.reasons[who] = reason

    def ready(self, who: str) -> None:
        """Say that `who` works."""
        self.reasons.pop(who, None)

    @property
    def is_ready(self) -> bool:
        """Whether everybody works."""
        return not self.reasons


class Answer(NamedTuple):
    """One HTTP answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


def answer(path: str, health: Health, metrics: Metrics) -> Answer:
    """What is answered to GET `path`."""
    match path:
        case "/healthz":
            return Answer(HTTPStatus.OK, "application/json", b'{"status":"ok"}')
        case "/readyz":
            status = HTTPStatus.OK if health.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
            told = {"ready": health.is_ready, "reasons": health.reasons}
            return Answer(status, "application/json", msgspec.json.encode(told))
        case "/metrics":
            return Answer(HTTPStatus.OK, METRICS_TYPE, metrics.render())
        case _:
            return Answer(HTTPStatus.NOT_FOUND, "text/plain", b"/healthz, /readyz and /metrics are here\n")


@asynccontextmanager
async def health_server(health: Health, metrics: Metrics, host: str, port: int) -> AsyncIterator[None]:
    """Serve while the context is open; port 0 serves nothing.

    Raises:
        ServerUnavailable: SRV050, the port is taken or the address is not this machine's.
    """
    if port == 0:
        yield
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(reader, writer, health, metrics)

    try:
        server = await asyncio.start_server(serve, host, port, limit=_LONGEST_REQUEST)
    except OSError as error:
        raise ServerUnavailable(
            "SRV050",
            f"cannot listen on {host}:{port} for metrics and health: {error.strerror or error}. The process did not "
            "start. Stop whoever uses the port, or choose another (0 for none).",
        ) from error
    async with server:
        yield


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, health: Health, metrics: Metrics
) -> None:
    """One request, one answer, and the connection ends. Who does not speak HTTP, or not in time, gets none."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(_reply(head, health, metrics))
            await writer.drain()
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()


def _reply(head: bytes, health: Health, metrics: Metrics) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0].decode("ascii", "replace")
    if method in (b"GET", b"HEAD"):
        said = answer(path, health, metrics)
    else:
        said = Answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET and HEAD\n")
    begin = (
        f"HTTP/1.1 {said.status.value} {said.status.phrase}\r\nContent-Type: {said.content_type}\r\n"
        f"Content-Length: {len(said.body)}\r\nConnection: close\r\n\r\n"
    )
    return begin.encode() + (b"" if method == b"HEAD" else said.body)
