"""What cannot be served: each a problem with a code, none of them a stack trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import structlog

from orchestrator_api.bodies import MAX_BODY_BYTES
from orchestrator_api.problems import problem_of
from pointsman.base.codes import CODES
from pointsman.base.errors import (
    EditRefused,
    ExpressionError,
    InvalidDefinition,
    PointsmanError,
    RequestRefused,
    RunError,
    ServerUnavailable,
)
from pointsman.edit.patterns import request_schema
from tests.api.room import HELLO, Room

JSON = {"Content-Type": "application/json"}


def told(answered: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem, its form checked."""
    body = answered.json()
    assert answered.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "errors"}
    assert (body["type"], body["title"]) == (f"/api/v1/errors/{body['code']}", CODES[body["code"]].title)
    assert body["status"] == answered.status_code
    assert "Traceback" not in answered.text
    return answered.status_code, body["code"]


async def test_an_address_that_leads_nowhere_is_a_problem(room: Room) -> None:
    for path in ("/", "/api/v1", "/api/v1/run", "/api/v1/runs/", "/docs", "/api/v2/runs"):
        assert told(await room.client.get(path)) == (404, "API001"), path


async def test_a_method_that_an_address_does_not_take_is_a_problem(room: Room) -> None:
    for method, path, allowed in (
        ("DELETE", "/api/v1/workflows/hello", {"GET"}),
        ("PUT", "/api/v1/runs/run_1", {"GET", "PATCH"}),
        ("GET", "/api/v1/runs/run_1/pause", {"POST"}),
    ):
        answered = await room.client.request(method, path)
        assert told(answered) == (405, "API002")
        assert set(answered.headers["allow"].replace(" ", "").split(",")) <= allowed


async def test_a_body_that_is_no_json_is_located(room: Room) -> None:
    for body, line in ((b'{"definition": {\n"nodes": [}', 2), (b"", 1), (b'{"input": "\xff"}', 1), (b"nope", 1)):
        answered = await room.client.post("/api/v1/runs", content=body, headers=JSON)
        assert told(answered) == (400, "API003"), body
        assert [error["line"] for error in answered.json()["errors"]] == [line]


async def test_a_body_of_another_kind_is_not_read(room: Room) -> None:
    for path, media in (
        ("/runs", "application/x-www-form-urlencoded"),
        ("/runs", None),
        ("/runs", "application/json-patch+json"),
        ("/workflows", "text/plain"),
        ("/runs/run_1/patch", "application/json-patch+json"),
        ("/runs/run_1/pause", "text/plain"),
    ):
        headers = {"Content-Type": media} if media else {}
        answered = await room.client.post(f"/api/v1{path}", content=b"{}", headers=headers)
        assert told(answered) == (415, "API004"), path
    patched = await room.client.patch("/api/v1/runs/run_1", content=b"[]", headers=JSON)
    assert told(patched) == (415, "API004")


async def test_a_body_beyond_the_limit_is_refused_with_and_without_its_length(room: Room) -> None:
    # Given ten megabytes, announced and not
    body = b'{"input": "' + b"x" * 10_000_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for content in (body, pieces()):
        # When they are sent
        answered = await room.client.post("/api/v1/runs", content=content, headers=JSON)
        # Then they are refused
        assert told(answered) == (413, "API005")
    # And what just fits is taken
    fits = json.dumps({"definition": HELLO, "input": ""})
    fits = fits[:-2] + "x" * (MAX_BODY_BYTES - len(fits)) + '"}'
    accepted = await room.client.post("/api/v1/runs", content=fits, headers=JSON)
    assert accepted.status_code == 201
    assert "$ref" in (await room.run(accepted.json()["run_id"]))["input"]


async def test_nesting_without_end_is_refused_and_not_fatal(room: Room) -> None:
    deep = b"[" * 200_000
    for path in ("/runs", "/workflows"):
        answered = await room.client.post(f"/api/v1{path}", content=deep, headers=JSON)
        assert told(answered)[0] in (400, 422)


async def test_parameters_out_of_bounds_are_located(room: Room) -> None:
    for path, pointer in (
        ("/runs?limit=0", "/query/limit"),
        ("/runs?limit=many", "/query/limit"),
        ("/runs?status=DONE", "/query/status"),
        ("/runs/a%20b", "/path/run_id"),
        ("/runs/run_1/events?after_seq=-1", "/query/after_seq"),
        ("/workflows/hello/versions/0", "/path/version"),
        ("/runs?workflow=%00", "/query/workflow"),
        ("/workflows?after=%00", "/query/after"),
        ("/errors/nothing", "/path/code"),
    ):
        answered = await room.get(path)
        assert told(answered) == (422, "API006"), path
        assert [error["pointer"] for error in answered.json()["errors"]] == [pointer]


async def test_an_error_nobody_foresaw_gives_nothing_away_and_is_logged(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a bug
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(room.services.records.runs, "get", broken)
    # When it is met
    with structlog.testing.capture_logs() as logs:
        answered = await room.get("/runs/run_1")
    # Then the caller learns that it happened, and the log what
    assert told(answered) == (500, "API090")
    assert "secret" not in answered.text
    assert [(entry["event"], entry["path"], entry["exc_info"]) for entry in logs] == [
        ("request_failed", "/api/v1/runs/run_1", True)
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidDefinition("CEL001", "x"), 422),
        (ExpressionError("CEL009", "x"), 422),
        (EditRefused("EDT021", "x"), 409),
        (ServerUnavailable("SRV001", "x"), 503),
        (ServerUnavailable("SRV040", "x"), 503),
        (RunError("RUN007", "x"), 409),
        (RequestRefused("API010", "x"), 404),
        (PointsmanError("SRV031", "x"), 500),
    ],
)
def test_errors_get_the_status_of_their_page_or_of_their_kind(error: PointsmanError, status: int) -> None:
    answer = problem_of(error)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_the_page_of_a_code_is_where_the_type_of_a_problem_points(room: Room) -> None:
    answered = await room.client.get((await room.get("/runs/nowhere")).json()["type"])
    page = CODES["RUN005"]
    assert answered.json() == {
        "code": "RUN005",
        "title": page.title,
        "meaning": page.meaning,
        "result": page.result,
        "remedy": page.remedy,
        "status": 404,
    }
    assert told(await room.get("/errors/RUN999")) == (404, "API017")


async def test_requests_are_counted_by_route_and_not_by_address(room: Room) -> None:
    # When two runs are looked at, and an address that leads nowhere
    await asyncio.gather(room.get("/runs/one"), room.get("/runs/two"), room.client.get("/secret"))
    # Then the metrics tell them apart by route alone
    text = (await room.client.get("/metrics")).text
    assert 'pointsman_http_requests_total{method="GET",route="/api/v1/runs/{run_id}",status="404"} 2.0' in text
    assert 'route="(none)",status="404"} 1.0' in text
    assert "secret" not in text


async def test_the_schema_of_definitions_takes_what_the_compiler_takes(room: Room) -> None:
    answered = await room.get("/schema/workflow")
    assert answered.headers["content-type"] == "application/schema+json"
    assert answered.json()["title"] == "Pointsman workflow definition"


async def test_the_tools_for_models_are_the_patterns_each_with_a_schema_of_its_own(room: Room) -> None:
    told = (await room.get("/schema/edit-tools")).json()["tools"]
    assert {tool["name"] for tool in told} == request_schema()["discriminator"]["mapping"].keys()
    assert all(tool["description"] and jsonschema_rs.validator_for(tool["parameters"]) for tool in told)
