"""What the `http` worker makes of a response: a result, or a failure that says whether to try again."""

from __future__ import annotations

import base64
from typing import Any, Final

import httpx
import msgspec

from pointsman.worker.errors import NonRetryable, Retryable
from pointsman.worker.task import Task

MAX_RESPONSE_BYTES: Final = 4 << 20
_QUOTED: Final = 200
"""Characters of an unexpected response that the error quotes."""
_TRY_AGAIN: Final = frozenset({408, 429})

Expect = int | tuple[int, ...]


def expected(status: int, expect: Expect) -> bool:
    """Whether a status code counts as success."""
    wanted = (expect,) if isinstance(expect, int) else expect
    return status in wanted if wanted else 200 <= status < 300


async def read_body(response: httpx.Response) -> bytes:
    """The whole body, decompressed. Raises `NonRetryable` above 4 MiB."""
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            raise NonRetryable(
                f"the response of {shown(response.url)} is larger than {MAX_RESPONSE_BYTES} bytes; it was not read "
                "to its end",
                type="http_response_too_large",
            )
    return bytes(body)


def result_of(task: Task, response: httpx.Response, body: bytes, expect: Expect) -> dict[str, Any]:
    """The task's result.

    Raises:
        Retryable, NonRetryable: `http_<status>`, it is not a status that counts as success.
    """
    status = response.status_code
    if not expected(status, expect):
        error = Retryable if status >= 500 or status in _TRY_AGAIN else NonRetryable
        said = task.redact(body[: 4 * _QUOTED].decode(errors="replace"))[:_QUOTED].strip()
        asked = f"{response.request.method} {shown(response.url)} answered {status} {response.reason_phrase}"
        raise error(asked.rstrip() + (f": {said}" if said else ""), type=f"http_{status}")
    headers = {name: task.redact(value) for name, value in response.headers.items()}
    return {"status": status, "headers": headers, **_content(task, response, body)}


def shown(url: httpx.URL | str) -> str:
    """A URL as messages show it: without user, password, query and fragment, where secrets stand."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return "an invalid URL"
    return str(parts.copy_with(userinfo=b"", query=None, fragment=None))


def _content(task: Task, response: httpx.Response, body: bytes) -> dict[str, Any]:
    try:
        text = task.redact(body.decode(response.charset_encoding or "utf-8"))
    except (UnicodeDecodeError, LookupError):
        return {"body_base64": base64.b64encode(body).decode()}
    if _is_json(response.headers.get("content-type", "")):
        try:
            return {"json": msgspec.json.decode(text)}
        except (msgspec.DecodeError, RecursionError):
            pass
    return {"body": text}


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
