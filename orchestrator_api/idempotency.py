"""`Idempotency-Key`: a request that is sent twice is carried out once, and answered twice alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.bodies import refusal
from orchestrator_api.deps import Services
from pointsman.base.errors import Problem, RequestRefused
from pointsman.ports.run_index import Request as KeyedRequest

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = {"Idempotency-Replayed": "true"}
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_KEPT_HEADERS: Final = ("content-type", "etag", "location")


class _Kept(msgspec.Struct):
    """An answer as it is kept for the next time."""

    status: int
    headers: dict[str, str]
    body: str


class NotConfirmed(Exception):
    """The request was carried out, but not confirmed: its key stays taken, since it must not be repeated at once."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def keyed(request: Request, body: bytes) -> KeyedRequest | None:
    """What a request calls itself; None without the header. Keys of different callers do not meet.

    Raises:
        RequestRefused: API006, the key is not 1 to 255 printable characters.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.match(key):
        told = "a key is 1 to 255 printable ASCII characters without spaces."
        raise refusal(Problem("API006", f"/header/{HEADER}", told))
    digest = hashlib.sha256(request.url.query.encode() + b"\0" + body)
    return KeyedRequest(f"{request.state.caller} {request.method} {request.url.path}", key, digest.hexdigest())


def mark(request: Request, body: bytes) -> str:
    """What names a request with a key in what it does; empty without one. Raises as `keyed` does."""
    found = keyed(request, body)
    return hashlib.sha256("\0".join(found).encode()).hexdigest() if found is not None else ""


async def once(services: Services, request: Request, body: bytes, work: Callable[[], Awaitable[Response]]) -> Response:
    """Carry a request out, unless one with its key was: then that one's answer is given again.

    Raises:
        RequestRefused: API013 the key came with another request; API014 the same request is being carried out.
    """
    request_key = keyed(request, body)
    if request_key is None:
        return await _unkeyed(work)
    claim = await services.records.keys.claim(request_key)
    match claim.outcome:
        case "answered":
            return _unpacked(claim.response or b"")
        case "fresh":
            return await _kept(services, request_key, work)
        case "running":
            raise running(request_key.key)
        case "key_reused":
            raise key_reused(request_key.key)


def key_reused(key: str) -> RequestRefused:
    """The refusal of a key that came with another request before."""
    return RequestRefused(
        "API013",
        f"the {HEADER} `{key}` came with another request before; nothing was done. Use a new key for each request.",
    )


def running(key: str) -> RequestRefused:
    """The refusal of a request whose twin is not done yet."""
    return RequestRefused(
        "API014",
        f"the request with the {HEADER} `{key}` is still being carried out; it was not begun again. Ask again in a "
        "moment.",
    )


async def _unkeyed(work: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await work()
    except NotConfirmed as unconfirmed:
        return unconfirmed.response


async def _kept(services: Services, key: KeyedRequest, work: Callable[[], Awaitable[Response]]) -> Response:
    keys = services.records.keys
    try:
        response = await work()
    except NotConfirmed as unconfirmed:
        return unconfirmed.response
    except BaseException:
        await keys.release(key)
        raise
    if response.status_code >= 400:
        await keys.release(key)
    else:
        await keys.answer(key, _packed(response))
    return response


def _packed(response: Response) -> bytes:
    headers = {name: value for name, value in response.headers.items() if name in _KEPT_HEADERS}
    return msgspec.json.encode(_Kept(response.status_code, headers, bytes(response.body).decode()))


def _unpacked(kept: bytes) -> Response:
    found = msgspec.json.decode(kept, type=_Kept)
    return Response(found.body, found.status, {**found.headers, **REPLAYED})
