"""The `http` worker against a server on this machine."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pointsman.worker import NonRetryable, Retryable
from pointsman.worker.builtin.addresses import Guard
from pointsman.worker.builtin.http import MAX_REDIRECTS, call, http_worker
from pointsman.worker.builtin.response import MAX_RESPONSE_BYTES
from pointsman.worker.secrets import Secrets
from tests.worker.at_work import at_work
from tests.worker.wire_tasks import a_task

LOCAL = Guard(["127.0.0.1"])
SECRETS = {"KEY": SecretStr("s3cret"), "BROKEN": SecretStr("line\nbreak")}


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    return JSONResponse({"method": request.method, "headers": dict(request.headers), "body": body})


async def status(request: Request) -> Response:
    return PlainTextResponse(f"sorry, {request.headers.get('x-key', 'stranger')}", request.path_params["code"])


async def redirect(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], int(request.query_params.get("code", "307")))


async def circle(request: Request) -> Response:
    return RedirectResponse("/circle")


async def text(request: Request) -> Response:
    return PlainTextResponse("Grüße")


async def latin(request: Request) -> Response:
    return Response("Grüße".encode("latin-1"), media_type="text/plain; charset=latin-1")


async def binary(request: Request) -> Response:
    return Response(b"\x89PNG\xff", media_type="image/png")


async def broken_json(request: Request) -> Response:
    return Response("{oops", media_type="application/json")


async def large(request: Request) -> Response:
    return Response(b"x" * (MAX_RESPONSE_BYTES + 1))


async def silent(request: Request) -> Response:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return Response()


ROUTES = [
    Route("/echo", echo, methods=["GET", "POST", "PUT"]),
    Route("/status/{code:int}", status),
    Route("/redirect", redirect, methods=["GET", "POST"]),
    Route("/circle", circle),
    Route("/text", text),
    Route("/latin", latin),
    Route("/binary", binary),
    Route("/broken", broken_json),
    Route("/large", large),
    Route("/silent", silent),
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server that listens on every loopback address."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        config = uvicorn.Config(Starlette(routes=ROUTES), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes a while."""
    return httpx.create_ssl_context()


@pytest.fixture
def site(port: int) -> str:
    """The server under the one address that may be called."""
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def elsewhere(port: int) -> str:
    """The server under an address that may not."""
    return f"http://127.0.0.2:{port}"


async def request(config: dict[str, Any], tls: ssl.SSLContext, guard: Guard = LOCAL) -> dict[str, Any]:
    """The result of a task with this config."""
    return await call(a_task(Secrets(SECRETS), config=config), guard, tls)


async def failure(config: dict[str, Any], tls: ssl.SSLContext, guard: Guard = LOCAL) -> tuple[type, str, str]:
    """How a task with this config fails."""
    with pytest.raises((Retryable, NonRetryable)) as failed:
        await request(config, tls, guard)
    return failed.type, failed.value.type, failed.value.message


async def test_method_headers_and_body_are_sent_as_configured(site: str, tls: ssl.SSLContext) -> None:
    config = {"url": f"{site}/echo", "method": "post", "headers": {"X-Count": 3}, "json": {"a": [1]}}
    result = await request(config, tls)
    assert result["status"] == 200
    assert result["headers"]["content-type"] == "application/json"
    seen = result["json"]
    assert (seen["method"], seen["body"]) == ("POST", '{"a":[1]}')
    assert seen["headers"]["content-type"] == "application/json"
    assert (seen["headers"]["x-count"], seen["headers"]["user-agent"]) == ("3", "pointsman")


async def test_a_text_body_is_sent_as_it_is(site: str, tls: ssl.SSLContext) -> None:
    config = {"url": f"{site}/echo", "method": "PUT", "body": "a=1&b=2", "headers": {"User-Agent": "mine"}}
    seen = (await request(config, tls))["json"]
    assert (seen["body"], seen["headers"]["user-agent"]) == ("a=1&b=2", "mine")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("text", {"body": "Grüße"}),
        ("latin", {"body": "Grüße"}),
        ("binary", {"body_base64": "iVBOR/8="}),
        ("broken", {"body": "{oops"}),
    ],
)
async def test_bodies_that_are_no_json_come_as_text_or_base64(
    site: str, tls: ssl.SSLContext, path: str, content: dict[str, str]
) -> None:
    result = await request({"url": f"{site}/{path}"}, tls)
    assert {key: value for key, value in result.items() if key not in ("status", "headers")} == content


@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, NonRetryable), (422, NonRetryable), (408, Retryable), (429, Retryable), (500, Retryable), (503, Retryable)],
)
async def test_error_statuses_fail_the_task_and_say_whether_to_try_again(
    site: str, tls: ssl.SSLContext, code: int, kind: type
) -> None:
    told, error_type, message = await failure({"url": f"{site}/status/{code}?token=abc"}, tls)
    assert (told, error_type) == (kind, f"http_{code}")
    assert message.startswith(f"GET {site}/status/{code} answered {code} ")
    assert message.endswith(": sorry, stranger")


async def test_expected_statuses_are_results_and_no_others(site: str, tls: ssl.SSLContext) -> None:
    assert (await request({"url": f"{site}/status/404", "expect": [200, 404]}, tls))["status"] == 404
    assert (await request({"url": f"{site}/status/404", "expect": 404}, tls))["status"] == 404
    assert (await failure({"url": f"{site}/text", "expect": 201}, tls))[:2] == (NonRetryable, "http_200")
    away = {"url": f"{site}/redirect?to=/text", "expect": 307}
    assert (await request(away, tls))["headers"]["location"] == "/text"


async def test_private_addresses_are_refused_before_anything_is_sent(elsewhere: str, tls: ssl.SSLContext) -> None:
    told = await failure({"url": f"{elsewhere}/echo"}, tls)
    assert told == (
        NonRetryable,
        "http_address_refused",
        "127.0.0.2 is at 127.0.0.2, which is no public address; nothing was sent. If it is meant, name the host or its "
        "network in POINTSMAN_HTTP_ALLOW.",
    )
    named = await failure({"url": elsewhere.replace("127.0.0.2", "localhost")}, tls, Guard())
    assert named[:2] == (NonRetryable, "http_address_refused")


async def test_redirects_to_private_addresses_are_refused(site: str, elsewhere: str, tls: ssl.SSLContext) -> None:
    told = await failure({"url": f"{site}/redirect?to={elsewhere}/echo"}, tls)
    assert told[:2] == (NonRetryable, "http_address_refused")


async def test_the_address_that_was_checked_is_the_one_connected_to(
    port: int, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a name server that answers with an allowed address once, and then with another
    answers = [["93.184.216.34"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.2"]]

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers.pop()]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    url = f"http://rebind.test:{port}/echo"
    # When it is asked while the answer is forbidden, and while one of two is
    refused = await failure({"url": url}, tls)
    allowed = await request({"url": url}, tls)
    # Then the name is resolved once a request, only allowed addresses are used, and the Host header is the name
    assert refused[1] == "http_address_refused"
    assert allowed["json"]["headers"]["host"] == f"rebind.test:{port}"
    assert len(answers) == 1


async def test_redirects_are_followed_but_not_for_ever(site: str, tls: ssl.SSLContext) -> None:
    result = await request({"url": f"{site}/redirect?to=/echo", "method": "POST", "body": "kept"}, tls)
    assert (result["json"]["method"], result["json"]["body"]) == ("POST", "kept")
    result = await request({"url": f"{site}/redirect?code=303&to=/echo", "method": "POST", "body": "gone"}, tls)
    assert (result["json"]["method"], result["json"]["body"]) == ("GET", "")
    assert await failure({"url": f"{site}/circle"}, tls) == (
        NonRetryable,
        "http_redirects",
        f"more than {MAX_REDIRECTS} redirects, the last to {site}/circle",
    )


async def test_secrets_in_headers_are_sent_to_the_host_they_are_for(site: str, port: int, tls: ssl.SSLContext) -> None:
    headers = {"Authorization": "Bearer secret://key", "X-Key": "secret://key", "X-Open": "shown"}
    guard = Guard(["127.0.0.1", "127.0.0.2"])
    # Given a redirect within the site, the secret goes along
    stayed = await request({"url": f"{site}/redirect?to=/status/200", "headers": headers}, tls, guard)
    # It is not in the result, though the server repeats it
    assert stayed["body"] == "sorry, ***"
    # Given a redirect to another host, it does not
    away = f"{site}/redirect?to=http://127.0.0.2:{port}/echo"
    seen = (await request({"url": away, "headers": headers}, tls, guard))["json"]["headers"]
    assert "authorization" not in seen
    assert "x-key" not in seen
    assert seen["x-open"] == "shown"


async def test_secrets_are_in_no_error_whatever_goes_wrong(site: str, tls: ssl.SSLContext) -> None:
    headers = {"X-Key": "secret://key"}
    told = await failure({"url": f"{site}/status/500", "headers": headers}, tls)
    assert told[2].endswith(": sorry, ***")
    told = await failure({"url": f"{site}/echo", "headers": {"X-Key": "secret://broken"}}, tls)
    assert told == (
        NonRetryable,
        "http_config",
        "the value of header 'X-Key' is not plain ASCII without line breaks",
    )
    told = await failure({"url": f"{site}/echo", "headers": {"X-Key": "secret://other"}}, tls)
    assert told[:2] == (NonRetryable, "unknown_secret")


async def test_a_response_that_is_too_large_is_not_read_to_its_end(site: str, tls: ssl.SSLContext) -> None:
    assert await failure({"url": f"{site}/large"}, tls) == (
        NonRetryable,
        "http_response_too_large",
        f"the response of {site}/large is larger than {MAX_RESPONSE_BYTES} bytes; it was not read to its end",
    )


async def test_a_server_that_does_not_answer_is_tried_again(site: str, tls: ssl.SSLContext) -> None:
    assert await failure({"url": f"{site}/silent", "timeout_ms": 50}, tls) == (
        Retryable,
        "http_timeout",
        f"GET {site}/silent took longer than 50 ms",
    )


async def test_a_host_that_cannot_be_reached_is_tried_again(tls: ssl.SSLContext) -> None:
    assert (await failure({"url": "http://127.0.0.1:1/"}, tls))[:2] == (Retryable, "http_connection")
    assert (await failure({"url": f"http://{'a' * 64}.test/"}, tls))[:2] == (Retryable, "http_connection")
    told = await failure({"url": "http://no-such-host.invalid/?key=hidden"}, tls)
    assert told[:2] == (Retryable, "http_connection")
    assert told[2].startswith("GET http://no-such-host.invalid/ got no answer: no-such-host.invalid cannot be resolved")


@pytest.mark.parametrize(
    ("config", "part"),
    [
        (None, "Expected `object`, got `null`"),
        ({"url": None}, "Expected `str`, got `null` - at `$.url`"),
        ({"url": "http://x", "metod": "GET"}, "unknown field `metod`"),
        ({"url": "http://x", "body": "a", "json": 1}, "both `body` and `json`"),
        ({"url": "http://x", "timeout_ms": 0}, "`int` >= 1"),
        ({"url": "ftp://x/y"}, "ftp://x/y is no http or https URL"),
        ({"url": "/relative"}, "/relative is no http or https URL"),
        ({"url": "http://[::1"}, "cannot be sent"),
        ({"headers": {"bad name": "x"}}, "cannot be sent"),
    ],
)
async def test_a_config_that_cannot_be_sent_fails_for_good(
    site: str, tls: ssl.SSLContext, config: Any, part: str
) -> None:
    told = await failure(config and {"url": f"{site}/echo"} | config, tls)
    assert told[:2] == (NonRetryable, "http_config")
    assert part in told[2]


async def test_the_worker_takes_its_tasks_from_the_stream(redis_db: str, site: str) -> None:
    async with at_work(redis_db, http_worker(["127.0.0.1"])) as work:
        await work.streams.give(type="http", config={"url": f"{site}/text"})
        (signal,) = await work.streams.signals(1)
        assert (signal["status"], signal["result_data"]["body"]) == ("completed", "Grüße")
