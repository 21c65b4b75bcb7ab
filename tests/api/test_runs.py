"""Runs: accepted, looked at, listed."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from orchestrator_api.runs import START_PATIENCE_S
from pointsman.base.ids import RunId
from pointsman.settings import CoordinatorSettings, LimitSettings, Settings
from tests.api.room import CHAIN, HELLO, Room, in_partitions, journalled, room_on

NODE: dict[str, Any] = {"output": None, "error": None, "frame": "", "ended_at": None}


def codes(answered: Any) -> list[tuple[str, str]]:
    """The code and pointer of each thing that an answer finds wrong."""
    return [(error["code"], error["pointer"]) for error in answered.json()["errors"]]


@in_partitions
async def test_a_definition_that_is_sent_along_is_accepted_and_started(room: Room) -> None:
    # When a definition is run
    answered = await room.post("/runs", {"definition": CHAIN, "input": {"n": 1}, "run_id": "run_1"})
    # Then it is accepted
    told = answered.json()
    assert (answered.status_code, answered.headers["location"]) == (201, "/api/v1/runs/run_1")
    assert told == {
        "run_id": "run_1",
        "workflow": "chain",
        "version": None,
        "status": "QUEUED",
        "created_at": told["created_at"],
        "warnings": [],
    }
    # And started
    run = await room.run("run_1")
    started = run["started_at"]
    assert run == {
        "run_id": "run_1",
        "workflow": "chain",
        "version": None,
        "tag": None,
        "status": "RUNNING",
        "revision": 1,
        "forked_from": None,
        "seq": 1,
        "input": {"n": 1},
        "output": None,
        "error": None,
        "open_tokens": 1,
        "nodes": {
            "a": {**NODE, "status": "dispatched", "attempt": 1, "started_at": started},
            "b": {**NODE, "status": "waiting", "attempt": 0, "started_at": None},
        },
        "created_at": told["created_at"],
        "started_at": started,
        "ended_at": None,
        "stuck": None,
        "waiting_for_worker": ["function"],
    }
    assert started is not None


async def test_a_published_workflow_runs_in_the_version_asked_for(room: Room) -> None:
    # Given two versions
    await room.post("/workflows", HELLO)
    await room.post("/workflows", {**HELLO, "nodes": [{"id": "wave", "type": "function"}]})
    # When one run names a version and one does not
    first = await room.post("/runs", {"workflow": "hello", "version": 1})
    newest = await room.post("/runs", {"workflow": "hello"})
    # Then each executes its own
    assert (first.json()["version"], newest.json()["version"]) == (1, 2)
    assert list((await room.run(first.json()["run_id"]))["nodes"]) == ["greet"]
    assert list((await room.run(newest.json()["run_id"]))["nodes"]) == ["wave"]


@in_partitions
async def test_a_task_that_a_worker_has_taken_is_shown_as_running(room: Room) -> None:
    # Given a run with two tasks out, and a consumer that knows nothing but the stream
    both = {"name": "both", "nodes": [{"id": "a", "type": "function"}, {"id": "b", "type": "other"}]}
    run_id = await room.start(both)
    assert {node["status"] for node in (await room.run(run_id))["nodes"].values()} == {"dispatched"}
    # When it takes one
    stream = room.partition(run_id).keys.tasks("function")
    assert await room.ask(run_id, "XREADGROUP", "GROUP", "workers", "w1", "STREAMS", stream, ">")
    # Then that one runs
    nodes = (await room.run(run_id))["nodes"]
    assert {name: node["status"] for name, node in nodes.items()} == {"a": "running", "b": "dispatched"}
    # Until it is done
    await room.complete(run_id, "a")
    assert (await room.run(run_id))["nodes"]["a"]["status"] == "completed"


@in_partitions
async def test_a_final_run_is_shown_the_same_after_it_left_redis(room: Room) -> None:
    # Given a run in which everything has happened, still in Redis since the journal stands still
    room.writing.clear()
    run_id = await room.start(CHAIN, input=[1.0])
    await room.complete(run_id, "a", {"x": 1})
    await room.complete(run_id, "b", {"big": 2**70, "float": 1.0})
    before = await room.run(run_id)
    assert (before["status"], before["seq"]) == ("COMPLETED", 3)
    # When it has left Redis
    room.writing.set()
    await room.cleaned_up(run_id)
    # Then it is shown as it was
    after = await room.run(run_id)
    assert after == before
    assert after["output"] == {"b": {"big": 2**70, "float": 1.0}}


async def test_an_output_goes_out_as_the_bytes_it_came_in(room: Room) -> None:
    run_id = await room.start(HELLO)
    sent = b'{"n":1.0,"big":123456789012345678901234567890}'
    await room.complete(run_id, "greet", msgspec.Raw(sent))
    assert sent in (await room.get(f"/runs/{run_id}")).content


async def test_a_run_is_found_again_by_id_workflow_and_status(room: Room) -> None:
    # Given three runs of two workflows, one of them over
    first, second = await room.start(HELLO), await room.start(CHAIN)
    third = await room.start(HELLO)
    await room.complete(third, "greet")
    await room.cleaned_up(third)
    await room.journal(first, 1)
    await room.journal(second, 1)

    async def listed(**query: str) -> list[str]:
        answered = await room.get("/runs", params=query)
        return [run["run_id"] for run in answered.json()["runs"]]

    # Then each question finds its runs, newest first
    assert await listed() == sorted([first, second, third], reverse=True)
    assert await listed(workflow="hello") == sorted([first, third], reverse=True)
    assert await listed(status="COMPLETED") == [third]
    assert await listed(status="RUNNING", workflow="chain") == [second]
    assert await listed(workflow="other") == []


async def test_pages_of_runs_meet_without_gap_or_overlap(room: Room) -> None:
    # Given five runs
    runs = [await room.start(HELLO, run_id=f"run_{number}") for number in range(5)]
    # When they are read two at a time
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await room.get("/runs", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [run["run_id"] for run in page["runs"]]
        cursor = page["next"]
    # Then each is there once
    assert found == list(reversed(runs))


async def test_a_cursor_that_is_none_is_refused(room: Room) -> None:
    for cursor in (b"", b"\0", b"-1:x", b"99999999999999999999:x", b"1:x\0", b"1:\xc3\xa4", b"1"):
        answered = await room.get("/runs", params={"cursor": base64.urlsafe_b64encode(cursor).decode()})
        assert (answered.status_code, codes(answered)) == (422, [("API006", "/query/cursor")]), cursor


async def test_a_run_id_is_given_to_one_run_only(room: Room) -> None:
    # Given a run
    await room.start(HELLO, run_id="mine", input=1)
    # When another is to have its id
    answered = await room.post("/runs", {"definition": CHAIN, "run_id": "mine"})
    # Then that is refused, and the first is as it was
    assert (answered.status_code, answered.json()["code"]) == (409, "API012")
    assert (await room.run("mine"))["workflow"] == "hello"


async def test_a_start_that_is_sent_twice_with_its_key_starts_one_run(room: Room) -> None:
    # Given a start with a key
    key = {"Idempotency-Key": "k1"}
    first = await room.post("/runs", {"definition": HELLO}, headers=key)
    # When it is sent again
    again = await room.post("/runs", {"definition": HELLO}, headers=key)
    # Then it is answered with the run that the first one made
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json()["run_id"] == first.json()["run_id"]
    assert len((await room.get("/runs")).json()["runs"]) == 1
    # And the key stands for that request alone
    other = await room.post("/runs", {"definition": CHAIN}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "API013")
    # As the same run id does with the same key
    named = {"definition": HELLO, "run_id": "mine"}
    for _ in range(2):
        answered = await room.post("/runs", named, headers={"Idempotency-Key": "k2"})
        assert (answered.status_code, answered.json()["run_id"]) == (201, "mine")


async def test_a_start_sent_again_after_its_run_ended_starts_nothing(room: Room) -> None:
    # Given a run that ended and left Redis
    key = {"Idempotency-Key": "k1"}
    run_id = (await room.post("/runs", {"definition": HELLO}, headers=key)).json()["run_id"]
    await room.complete(run_id, "greet")
    await room.cleaned_up(run_id)
    # When its start is sent again
    again = await room.post("/runs", {"definition": HELLO}, headers=key)
    # Then it is told what became of it, and nothing runs
    assert (again.status_code, again.json()["status"]) == (201, "COMPLETED")
    assert await room.executor.store.load([RunId(run_id)]) == {}


async def test_every_problem_of_a_definition_is_told_with_its_place_in_the_body(room: Room) -> None:
    # Given a body whose definition has three things wrong with it
    body = """{
  "input": {"nodes": []},
  "definition": {
    "nodes": [
      {"id": "a", "type": "function"},
      {"id": "b", "type": "function", "timeout": 5}
    ],
    "edges": [
      {"from": "a", "to": "bb"},
      {"from": "a", "to": "b", "when": "output.x >"}
    ]
  }
}"""
    # When it is sent
    answered = await room.client.post("/api/v1/runs", content=body, headers={"Content-Type": "application/json"})
    # Then all are told, each with its pointer and line in the body
    assert answered.status_code == 422
    assert answered.headers["content-type"] == "application/problem+json"
    found = {error["pointer"]: (error["line"], error["suggestion"]) for error in answered.json()["errors"]}
    assert found == {
        "/definition/nodes/1/timeout": (6, "`timeout_ms`"),
        "/definition/edges/0/to": (9, None),
        "/definition/edges/1/when": (10, None),
    }
    # And nothing was accepted
    assert (await room.get("/runs")).json()["runs"] == []


async def test_a_start_that_is_not_as_asked_for_is_refused(room: Room) -> None:
    bodies: list[tuple[Any, list[tuple[str, str]]]] = [
        ({}, [("API006", "")]),
        ({"workflow": "hello", "definition": HELLO}, [("API006", "")]),
        ({"definition": HELLO, "version": 1}, [("API006", "/version")]),
        ({"definition": HELLO, "tag": "prod"}, [("API006", "/tag")]),
        ({"workflow": "hello", "version": 1, "tag": "prod"}, [("API006", "/tag")]),
        ({"workflow": "hello", "tag": "1"}, [("API006", "/tag")]),
        ({"definition": HELLO, "run_id": "a b", "inputs": 1}, [("API006", "/run_id"), ("API006", "/inputs")]),
        ({"workflow": 1}, [("API006", "/workflow")]),
        ({"workflow": "hello", "version": True}, [("API006", "/version")]),
        ({"definition": None}, [("API006", "")]),
        ({"definition": 1}, [("DEF005", "/definition")]),
        ([], [("API006", "")]),
    ]
    for body, found in bodies:
        answered = await room.post("/runs", body)
        assert (answered.status_code, codes(answered)) == (422, found), body
    assert (await room.get("/runs")).json()["runs"] == []


async def test_a_workflow_that_was_never_published_is_not_found(room: Room) -> None:
    await room.post("/workflows", HELLO)
    for body in ({"workflow": "hallo"}, {"workflow": "hello", "version": 2}):
        answered = await room.post("/runs", body)
        assert (answered.status_code, answered.json()["code"]) == (404, "API010")


async def test_a_run_that_never_was_is_not_found(room: Room) -> None:
    for what in ("", "/definition", "/plan", "/events", "/patches"):
        answered = await room.get(f"/runs/nowhere{what}")
        assert (answered.status_code, answered.json()["code"]) == (404, "RUN005")


async def test_a_run_gives_its_definition_and_its_plan_with_their_revision(room: Room) -> None:
    # Given a run whose author had an order of his own
    document = {"nodes": [{"type": "function", "id": "greet"}], "name": "hello"}
    run_id = await room.start(document)
    # Then the definition is as it was written
    definition = await room.get(f"/runs/{run_id}/definition")
    assert (definition.json(), definition.headers["etag"]) == (document, '"1"')
    assert list(definition.json()) == ["nodes", "name"]
    # And the plan is what it compiled to
    plan = await room.get(f"/runs/{run_id}/plan")
    assert [node["kind"] for node in plan.json()["nodes"]] == ["task"]
    assert plan.headers["etag"] == '"1"'


async def test_an_input_above_the_inline_limit_goes_to_the_blob_store(settings: Settings) -> None:
    # Given an API that keeps at most 1 KiB inline
    small = settings.model_copy(update={"coordinator": CoordinatorSettings(inline_limit_bytes=1_024)})
    async with room_on(small) as room, journalled(room):
        # When a run has a larger input
        run_id = await room.start(HELLO, input="x" * 2_000)
        # Then the run holds a reference, and the store the bytes
        shown = (await room.run(run_id))["input"]
        assert list(shown) == ["$ref"]
        assert await room.services.blobs.get(shown["$ref"]) == b'"' + b"x" * 2_000 + b'"'


async def test_a_definition_cannot_ask_for_more_than_the_installation_allows(settings: Settings) -> None:
    # Given an installation with limits of its own
    limits = LimitSettings(max_nodes=1, max_tokens=50, max_duration_ms=1_000)
    async with room_on(settings.model_copy(update={"limits": limits})) as room, journalled(room):
        # When one definition asks for more tokens and less time
        asking = {**HELLO, "metadata": {"limits": {"max_tokens": 9_000, "max_duration_ms": 500}}}
        run_id = await room.start(asking)
        # Then it gets what both allow
        guards = (await room.get(f"/runs/{run_id}/plan")).json()["guards"]
        assert guards == {"max_nodes": 1, "max_tokens": 50, "max_duration_ms": 500}
        # And one with too many nodes is refused
        answered = await room.post("/runs", {"definition": CHAIN})
        assert codes(answered) == [("CMP026", "/definition/nodes")]


@in_partitions
async def test_a_run_is_accepted_and_shown_while_redis_is_away(settings: Settings) -> None:
    # Given an API whose Redis went away
    async with room_on(settings) as room, journalled(room):
        await room.services.live.partitions.aclose()
        # When a run is started
        run_id = await room.start(CHAIN, input=1)
        # Then it is accepted, and shown as it waits for the supervisor
        run = await room.run(run_id)
        assert (run["status"], run["seq"], run["input"], run["started_at"]) == ("QUEUED", 0, 1, None)
        assert {node["status"] for node in run["nodes"].values()} == {"waiting"}


async def test_an_open_run_is_shown_as_the_journal_knows_it_while_redis_is_away(settings: Settings) -> None:
    # Given a run that has come some way
    async with room_on(settings) as room, journalled(room):
        run_id = await room.start(CHAIN)
        await room.complete(run_id, "a", 1)
        await room.journal(run_id, 2)
        before = await room.run(run_id)
        # When Redis is away
        await room.services.live.partitions.aclose()
        # Then it is shown all the same, but for what only Redis knows
        assert await room.run(run_id) == before | {"waiting_for_worker": []}


async def test_while_postgres_is_away_nothing_is_accepted_and_the_caller_is_told_when_to_ask_again(
    settings: Settings,
) -> None:
    async with room_on(settings) as room:
        await room.services.records.pool.close()
        answered = await room.post("/runs", {"definition": HELLO})
        assert (answered.status_code, answered.json()["code"]) == (503, "SRV040")
        assert answered.headers["retry-after"] == "1"


async def test_a_start_is_given_up_here_before_the_supervisor_may_take_it_over() -> None:
    # A run that was started, ended and cleaned up would begin again if somebody slow started it late.
    assert Settings().supervisor.reconcile_interval_ms > START_PATIENCE_S * 1_000
