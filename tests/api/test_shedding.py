"""More than the API can take: some are told to come again, and nobody is kept waiting for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from orchestrator_api.shedding import Shedding
from tests.api.room import HELLO, room_on, settings_of
from tests.support.waiting import eventually


async def served(app: Shedding, path: str = "/api/v1/runs", caller: str = "blue") -> tuple[int, str]:
    """How a request of a caller is answered, and when it is to come again."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "path": path, "state": {"caller": caller}}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"retry-after", b"").decode()


async def test_requests_beyond_what_is_served_at_once_are_turned_away_each_caller_by_half() -> None:
    # Given an API that serves four requests at once, none of which ends
    ended, begun = asyncio.Event(), 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal begun
        begun += 1
        await ended.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = Shedding(slow, most=4)
    callers = ("blue", "blue", "green", "green")
    waiting = [asyncio.create_task(served(app, caller=caller)) for caller in callers[:3]]
    await eventually(lambda: begun == 3)
    # When a caller that has half of them sends another, then it is told so; others are served
    assert await served(app) == (429, "1")
    waiting.append(asyncio.create_task(served(app, caller="green")))
    await eventually(lambda: begun == 4)
    # And when all are taken, anybody is turned away, but who asks for events or whether it lives is not
    assert await served(app, caller="red") == (503, "1")
    open_paths = ("/healthz", "/api/v1/runs/run_1/events")
    waiting += [asyncio.create_task(served(app, path)) for path in open_paths]
    await eventually(lambda: begun == 6)
    # And when they have ended, there is room again
    ended.set()
    assert await asyncio.gather(*waiting) == [(200, "")] * 6
    assert await served(app) == (200, "")


@pytest.mark.parametrize("most", [3])
async def test_no_more_runs_of_one_sender_are_accepted_than_may_wait(
    database: str, redis_db: str, tmp_path: Path, most: int
) -> None:
    # Given an API that lets three runs wait, and starts none while a task waits
    settings = settings_of(database, redis_db, tmp_path)
    strict = settings.model_copy(
        update={"max_unread_tasks": 1, "api": settings.api.model_copy(update={"max_queued_runs": most})}
    )
    async with room_on(strict) as room:
        # When many are sent
        answers = [await room.post("/runs", {"definition": HELLO}) for _ in range(6)]
        # Then those that can wait are accepted, the first of them started; the others are to come again
        codes = [answered.status_code for answered in answers]
        assert codes == [201, 201, 201, 429, 429, 429]
        assert {answered.headers["Retry-After"] for answered in answers[3:]} == {"1"}
        assert answers[3].json()["code"] == "API083"
