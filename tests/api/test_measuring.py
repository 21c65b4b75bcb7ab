"""The outermost layer of the API."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from orchestrator_api.measuring import Measuring
from pointsman.metrics import Metrics

REQUEST: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


async def nothing() -> Message:
    return {"type": "http.request"}


async def cut_short(app: Any) -> list[Message]:
    """What was sent of a request that was cancelled in the middle of it, as a server does that ends."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    serving = asyncio.ensure_future(Measuring(app, metrics=Metrics())(REQUEST, nothing, send))
    for _ in range(5):
        await asyncio.sleep(0)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    return sent


async def test_a_request_cut_short_by_the_end_of_the_process_is_told_so() -> None:
    # Given a request that waits for something that does not come
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    # When the server ends, and cancels it
    begin, body = await cut_short(waiting)
    # Then the caller may send it again, and is told that it may have been done
    assert begin["status"] == 503
    assert (b"retry-after", b"1") in begin["headers"]
    assert json.loads(body["body"])["code"] == "API018"


async def test_an_answer_that_was_begun_is_not_begun_again() -> None:
    # Given a stream that goes on for ever
    async def streaming(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    # When the server ends, then there is nothing more of it
    assert [message["type"] for message in await cut_short(streaming)] == ["http.response.start"]


async def test_an_error_nobody_foresaw_tells_nothing_of_itself() -> None:
    # Given a handler with a bug
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("the password is 123")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    # When it is met, then the caller learns its code and no more
    await Measuring(failing, metrics=Metrics())(REQUEST, nothing, send)
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (500, "API090")
    assert b"password" not in sent[1]["body"]
