"""A handler that extends its own run, from asking for the token to what comes of the edit."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import structlog.testing
from biscuit_auth import KeyPair
from pydantic import SecretStr

from pointsman.base.errors import EditRefused, ServerUnavailable
from pointsman.base.ids import Millis
from pointsman.logging import redact
from pointsman.rights.biscuit import mint
from pointsman.rights.grant import PREFIX
from pointsman.settings import ApiSettings, Settings
from pointsman.worker import EditToken, Task
from pointsman.worker.attempt import attempt_now
from pointsman.worker.editing import Editing
from pointsman.worker.secrets import Secrets
from tests.api.conftest import database, migrated_template, partitions, pool, room, settings
from tests.api.room import Room, journalled, room_on
from tests.api.test_access import with_api
from tests.api.token_holders import adding, planning
from tests.rights.tokens import a_grant
from tests.worker.wire_tasks import Shelf, wire_task

__all__ = ["database", "migrated_template", "partitions", "pool", "room", "settings"]

TEXT = mint(a_grant(), KeyPair().private_key)


def editing(room: Room, key: str = "") -> Editing:
    """The API of a room, as a worker has it."""
    return Editing("http://localhost", SecretStr(key) if key else None, transport=httpx.ASGITransport(room.app))


def task_in(room: Room, run_id: str, key: str = "", **fields: Any) -> Task:
    """The task that the worker of `plan` has."""
    wire = wire_task(run=run_id, node="plan", **{"type": "agent", **fields})
    return Task(wire, Secrets(), Shelf(), editing(room, key))


async def test_a_handler_extends_its_own_run(room: Room) -> None:
    # Given a handler that has asked for a token
    run_id = await planning(room)
    token = await task_in(room, run_id).edit_token(nodes=3)
    assert (token.run_id, token.types) == (run_id, {"agent", "conditional", "join", "parallel", "wait"})
    # When it hands it on narrowed, and both add something
    for_another = token.narrow(types={"agent"}, nodes=1, operations=3, until=token.expires_at)
    assert (await token.patch(adding("one"), description="Dig deeper"))["revision"] == 2
    assert (await for_another.patch(adding("two")))["revision"] == 3
    # Then the run has both, and says who and why
    taken = (await room.get(f"/runs/{run_id}/patches")).json()["taken"]
    assert [patch["description"] for patch in taken] == ["Dig deeper", ""]
    assert taken[0]["by"] == "edit token :plan (attempt 1, local)"
    # And what is not allowed is an error of ours with everything that is wrong
    with pytest.raises(EditRefused) as refused:
        await for_another.patch(adding("three", type="http"))
    codes = {problem.code for problem in refused.value.problems}
    assert (codes, refused.value.retryable) == ({"EDT060", "EDT061", "EDT062"}, False)


async def test_a_token_can_be_handed_to_another_process(room: Room) -> None:
    # Given the text of a narrowed token, and nothing else
    run_id = await planning(room)
    text = (await task_in(room, run_id).edit_token()).narrow(nodes=1).text
    # When another process takes it up
    token = EditToken(text, editing(room))
    # Then it can use it, and narrow it further
    assert (await token.patch(adding("one")))["changed"]
    with pytest.raises(EditRefused, match="EDT061"):
        await token.narrow(nodes=5).patch(adding("two"))


async def test_the_workers_key_is_for_asking_and_goes_along_with_no_edit(settings: Settings) -> None:
    async with room_on(with_api(settings, key=SecretStr("right"))) as room, journalled(room):
        room.client.headers["Authorization"] = "Bearer right"
        run_id = await planning(room)
        with pytest.raises(EditRefused, match="API007"):
            await task_in(room, run_id).edit_token()
        token = await task_in(room, run_id, "right").edit_token()
        # Were the key sent along, this would be allowed
        with pytest.raises(EditRefused, match="EDT066"):
            await token.patch([{"op": "remove", "path": "/nodes/report"}, {"op": "remove", "path": "/edges/2"}])
        assert (await token.patch(adding("one")))["changed"]


async def test_a_task_that_is_not_out_gets_no_token(room: Room) -> None:
    run_id = await planning(room)
    with pytest.raises(EditRefused, match="API045"):
        await task_in(room, run_id, attempt=2).edit_token()
    with pytest.raises(EditRefused, match="API046"):
        await task_in(room, run_id).edit_token(types=["http"], nodes=1_000)


async def test_an_api_that_does_not_answer_may_answer_later() -> None:
    # Given APIs that are away, broken, and none at all
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for answer, code in (
        (away, "SRV071"),
        (lambda _: httpx.Response(502, text="<html>"), "SRV072"),
        (lambda _: httpx.Response(404, json={"error": "?"}), "SRV072"),
        (lambda _: httpx.Response(503, json={"code": "SRV051", "detail": "later"}), "SRV051"),
    ):
        task = Task(wire_task(), Secrets(), Shelf(), Editing("http://localhost", transport=httpx.MockTransport(answer)))
        # Then the attempt fails in a way that may be tried again
        with pytest.raises(ServerUnavailable, match=code) as why:
            await task.edit_token()
        assert why.value.retryable


async def test_patterns_and_previews_go_where_they_are_served() -> None:
    # Given an API that remembers what it is sent
    sent: list[tuple[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TEXT}"
        sent.append((f"{request.method} {request.url.raw_path.decode()}", json.loads(request.content)))
        return httpx.Response(200, json={})

    token = EditToken(TEXT, Editing("http://localhost/", transport=httpx.MockTransport(answer)))
    await token.patch({"pattern": "insert_parallel", "to": "plan"}, dry_run=True)
    await token.patch([{"op": "test", "path": "/name", "value": "a"}], dry_run=True)
    assert sent == [
        ("POST /api/v1/runs/run_1/edits?dry_run=true", {"pattern": "insert_parallel", "to": "plan"}),
        (
            "POST /api/v1/runs/run_1/patch?dry_run=true",
            {"operations": [{"op": "test", "path": "/name", "value": "a"}], "description": ""},
        ),
    ]


def test_a_worker_finds_the_api_by_its_settings() -> None:
    assert Editing.of(Settings(port=8123)).url == "http://127.0.0.1:8123"
    assert Editing.of(Settings(api=ApiSettings(url="https://api.example/"))).url == "https://api.example"


def test_what_is_no_token_is_told_at_once() -> None:
    for text in ("", "x", PREFIX, TEXT[:-5]):
        with pytest.raises(EditRefused, match="API040"):
            EditToken(text, "http://localhost")


def test_a_token_shows_itself_nowhere() -> None:
    token = EditToken(TEXT, "http://localhost")
    narrowed = token.narrow(nodes=1, until=Millis(0))

    def leak(_: Task) -> None:
        raise RuntimeError(f"cannot use {token.text} or {narrowed.text}, sorry")

    # Neither where it is printed
    assert [repr(token), str(narrowed)] == ["EditToken('run_1', ':plan')"] * 2
    # Nor in what is reported of a handler that names it
    task = Task(wire_task(), Secrets(), Shelf(), Editing("http://localhost"))
    report = attempt_now(leak, task, Secrets())
    assert b"cannot use *** or ***, sorry" in report.signal
    assert PREFIX not in report.unexpected
    # Nor in a log line
    with structlog.testing.capture_logs(processors=[redact]) as lines:
        structlog.get_logger().info("sent", answer={"token": token.text, "all": [f"<{narrowed.text}>"]})
    assert lines[0]["answer"] == {"token": "***", "all": ["<***>"]}
