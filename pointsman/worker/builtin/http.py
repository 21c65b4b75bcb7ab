"""The `http` worker: one HTTP request a task."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Annotated, Any, Final

import httpcore
import httpx
import msgspec

from pointsman.worker.builtin.addresses import Guard
from pointsman.worker.builtin.response import expected, read_body, result_of, shown
from pointsman.worker.builtin.transport import GuardedTransport
from pointsman.worker.errors import NonRetryable, Retryable
from pointsman.worker.secrets import SCHEME
from pointsman.worker.task import Task
from pointsman.worker.worker import Worker

MAX_REDIRECTS: Final = 5

Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=600_000)]


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `config` of a node of type `http`."""

    url: str
    method: str = "GET"
    headers: dict[str, str | int] = {}
    """`secret://name` in a value is replaced by the worker."""
    body: str | None = None
    json: Any = msgspec.UNSET
    timeout_ms: Milliseconds = 30_000
    """For everything together: redirects, and the response to its last byte."""
    expect: int | tuple[int, ...] = ()
    """Status codes that count as success; any 2xx unless given."""


def http_worker(allow: Iterable[str] = ()) -> Worker:
    """A worker for nodes of type `http`; `allow` names private hosts and networks that it may call."""
    worker = Worker("http")
    guard, tls = Guard(allow), httpx.create_ssl_context()

    @worker.handler()
    async def request(task: Task) -> dict[str, Any]:
        return await call(task, guard, tls)

    return worker


async def call(task: Task, guard: Guard, tls: ssl.SSLContext) -> dict[str, Any]:
    """Send the request that a task's config describes; its response as the task's result.

    Raises:
        Retryable: `http_timeout`, `http_connection`, or `http_<status>` for 408, 429 and 5xx.
        NonRetryable: `http_<status>` for any other that is not expected, `http_config`, `http_address_refused`,
            `http_redirects`, `http_response_too_large`, `unknown_secret`.
    """
    config = _config(task)
    asked = f"{config.method} {shown(config.url)}"
    # Its own client for each task: neither cookies nor connections pass from one run to another.
    client = httpx.AsyncClient(transport=GuardedTransport(guard, tls), trust_env=False, timeout=None)
    try:
        async with asyncio.timeout(config.timeout_ms / 1_000), client:
            return await _exchange(task, config, client)
    except TimeoutError:
        raise Retryable(f"{asked} took longer than {config.timeout_ms} ms", type="http_timeout") from None
    except (httpx.InvalidURL, httpx.LocalProtocolError, httpcore.LocalProtocolError) as wrong:
        raise NonRetryable(f"{asked} cannot be sent: {wrong}", type="http_config") from None
    except (httpx.HTTPError, httpcore.NetworkError, httpcore.ProtocolError) as why:
        raise Retryable(f"{asked} got no answer: {why or type(why).__name__}", type="http_connection") from None


async def _exchange(task: Task, config: HttpConfig, client: httpx.AsyncClient) -> dict[str, Any]:
    secret_headers = {name for name, value in config.headers.items() if SCHEME in str(value)}
    request = _request(task, config, client)
    for _ in range(MAX_REDIRECTS + 1):
        response = await client.send(_sendable(request), stream=True)
        try:
            following = response.next_request
            if following is None or expected(response.status_code, config.expect):
                body = await read_body(response)
                return result_of(task, response, body, config.expect)
        finally:
            await response.aclose()
        if _origin(following.url) != _origin(request.url):
            _take_out(following, secret_headers)
        request = following
    raise NonRetryable(f"more than {MAX_REDIRECTS} redirects, the last to {shown(request.url)}", type="http_redirects")


def _config(task: Task) -> HttpConfig:
    try:
        config = msgspec.convert(task.config, HttpConfig)
    except msgspec.ValidationError as wrong:
        raise NonRetryable(f"the config of an `http` node is not as it must be: {wrong}", type="http_config") from None
    if config.body is not None and config.json is not msgspec.UNSET:
        raise NonRetryable("the config of an `http` node has both `body` and `json`; one is sent", type="http_config")
    return config


def _request(task: Task, config: HttpConfig, client: httpx.AsyncClient) -> httpx.Request:
    headers = [(name, _header(task, name, str(value))) for name, value in config.headers.items()]
    content: dict[str, Any] = {} if config.json is msgspec.UNSET else {"json": config.json}
    if config.body is not None:
        content = {"content": config.body}
    request = client.build_request(config.method.upper(), config.url, headers=headers, **content)
    if "user-agent" not in {name.lower() for name in config.headers}:
        request.headers["user-agent"] = "pointsman"
    return request


def _header(task: Task, name: str, value: str) -> str:
    # Checked here, because the errors of the HTTP library quote the value.
    value = task.resolve_secret(value)
    if not value.isascii() or any(letter < " " or letter == "\x7f" for letter in value):
        raise NonRetryable(f"the value of header {name!r} is not plain ASCII without line breaks", type="http_config")
    return value


def _sendable(request: httpx.Request) -> httpx.Request:
    if request.url.scheme not in ("http", "https") or not request.url.host:
        raise NonRetryable(f"{shown(request.url)} is no http or https URL", type="http_config")
    return request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _take_out(request: httpx.Request, names: Iterable[str]) -> None:
    """Headers with secrets are for the host they were written for, not for whomever it redirects to."""
    for name in names:
        request.headers.pop(name, None)
