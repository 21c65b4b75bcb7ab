"""Edits of running runs over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from orchestrator_api.patches import matches
from pointsman.base.ids import RunId
from pointsman.settings import LimitSettings, Settings
from tests.api.room import CHAIN, HELLO, Room, in_partitions, journalled, room_on
from tests.api.test_runs import codes

ADD_C = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "function"}},
    {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "c"}},
]
FIRED_C = {"node": "c", "status": "dispatched", "attempt": 1, "type": "function"}


async def patched(room: Room, run_id: str, operations: Any = ADD_C, **headers: str) -> httpx.Response:
    """PATCH a run."""
    media = {
        "Content-Type": "application/json-patch+json",
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return await room.client.patch(f"/api/v1/runs/{run_id}", json=operations, headers=media)


async def stored(room: Room) -> tuple[Any, ...]:
    """Everything there is, but for the audit of refused patches and what names the moment."""
    kept = await room.dump()
    tables = ("definitions", "plans", "runs", "events", "patches")
    pool = room.services.records.pool
    return kept, [await pool.fetch(f"SELECT * FROM {table} ORDER BY {table}::text") for table in tables]


@in_partitions
async def test_what_is_added_behind_a_node_that_ended_is_caught_up_with(room: Room) -> None:
    # Given a run whose first node has completed
    run_id = await room.start(CHAIN)
    await room.complete(run_id, "a", {"x": 1})
    # When a node is added behind it
    answered = await patched(room, run_id)
    # Then it is fired at once
    assert (answered.status_code, answered.headers["etag"]) == (200, '"2"')
    told = answered.json()
    assert told.pop("plan_hash")
    assert told == {
        "run_id": run_id,
        "revision": 2,
        "seq": 3,
        "changed": True,
        "operations": ADD_C,
        "fired": [FIRED_C],
        "cancelled": [],
        "restarted": [],
        "skipped": [],
        "warnings": [],
    }
    # And the run goes on under the new plan, to its end
    run = await room.run(run_id)
    assert (run["revision"], {name: node["status"] for name, node in run["nodes"].items()}) == (
        2,
        {"a": "completed", "b": "dispatched", "c": "dispatched"},
    )
    await room.complete(run_id, "b", 2)
    await room.complete(run_id, "c", 3)
    await room.cleaned_up(run_id)
    assert (await room.run(run_id))["output"] == {"b": 2, "c": 3}
    assert [node["id"] for node in (await room.get(f"/runs/{run_id}/definition")).json()["nodes"]] == ["a", "b", "c"]


async def test_the_same_by_post_keeps_a_description_and_is_listed(room: Room) -> None:
    # Given a run that is patched with a description
    run_id = await room.start(CHAIN)
    body = {"operations": ADD_C, "description": "Add c"}
    answered = await room.post(f"/runs/{run_id}/patch", body)
    assert (answered.status_code, answered.json()["fired"]) == (200, [])
    # Then history and list tell of it
    listed = (await room.get(f"/runs/{run_id}/patches")).json()
    at = listed["taken"][0]["at"]
    assert listed == {
        "taken": [
            {
                "revision": 2,
                "base_revision": 1,
                "seq": 2,
                "at": at,
                "by": "local",
                "description": "Add c",
                "operations": ADD_C,
                "inverse": [{"op": "remove", "path": "/edges/a->c"}, {"op": "remove", "path": "/nodes/c"}],
                "fired": [],
                "cancelled": [],
                "skipped": [],
            }
        ],
        "refused": [],
    }
    event = (await room.get(f"/runs/{run_id}/events")).json()["events"][1]
    assert (event["type"], event["by"]) == ("patch", "local")
    assert event["patch"] == {"revision": 2, "description": "Add c", "operations": ADD_C}


async def test_a_patch_says_what_it_fired_skipped_and_took_back(room: Room) -> None:
    # Given a run whose next node waits to go out, since the run is paused
    run_id = await room.start({**CHAIN, "edges": [{"from": "a", "to": "b", "when": "output.x == 1"}]})
    await room.post(f"/runs/{run_id}/pause")
    await room.complete(run_id, "a", {"x": 1})
    # When its edge is turned the other way, and a node is added behind another
    operations = [
        {"op": "replace", "path": "/edges/a->b/when", "value": "output.x == 2"},
        {"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "parallel"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "c"}},
    ]
    told = (await patched(room, run_id, operations)).json()
    # Then each is told
    assert [node["node"] for node in told["fired"]] == ["c"]
    assert [node["node"] for node in told["skipped"]] == ["b"]


async def test_nodes_are_addressed_by_their_ids(room: Room) -> None:
    run_id = await room.start(CHAIN)
    answered = await patched(room, run_id, [{"op": "add", "path": "/nodes/b/config", "value": {"to": "ann"}}])
    assert answered.status_code == 200
    document = (await room.get(f"/runs/{run_id}/definition")).json()
    assert document["nodes"][1] == {"id": "b", "type": "function", "config": {"to": "ann"}}


async def test_a_patch_that_would_change_the_past_leaves_an_audit_row_and_nothing_else(room: Room) -> None:
    # Given a run whose first node has completed
    run_id = await room.start(CHAIN)
    await room.complete(run_id, "a")
    before = await stored(room)
    # When that node is to be removed
    operations = [{"op": "remove", "path": "/edges/0"}, {"op": "remove", "path": "/nodes/a"}]
    answered = await patched(room, run_id, operations)
    # Then it is refused, and not a byte has changed
    assert answered.status_code in (409, 422)
    assert answered.json()["errors"]
    assert await stored(room) == before
    # Besides the audit
    refused = (await room.get(f"/runs/{run_id}/patches")).json()["refused"]
    assert [(row["by"], row["operations"], row["code"]) for row in refused] == [
        ("local", operations, answered.json()["code"])
    ]
    assert refused[0]["problems"] == answered.json()["errors"]


async def test_every_problem_of_a_patched_definition_is_told_at_once(room: Room) -> None:
    # Given a patch whose result has two problems
    run_id = await room.start(CHAIN)
    operations = [
        {"op": "add", "path": "/edges/-", "value": {"from": "b", "to": "nowhere"}},
        {"op": "add", "path": "/nodes/-", "value": {"id": "c", "type": "function", "timeout": 1}},
    ]
    answered = await patched(room, run_id, operations)
    # Then both are told, with pointers into the definition
    assert answered.status_code == 422
    assert {error["pointer"] for error in answered.json()["errors"]} == {"/edges/1/to", "/nodes/2/timeout"}


async def test_an_operation_that_cannot_be_carried_out_is_located_in_the_body(room: Room) -> None:
    run_id = await room.start(CHAIN)
    bad = [*ADD_C, {"op": "remove", "path": "/nodes/d"}]
    by_patch = await patched(room, run_id, bad)
    assert (by_patch.status_code, codes(by_patch)) == (409, [("EDT005", "/2/path")])
    by_post = await room.post(f"/runs/{run_id}/patch", {"operations": bad})
    assert (by_post.status_code, codes(by_post)) == (409, [("EDT005", "/operations/2/path")])
    no_list = await patched(room, run_id, {"op": "add"})
    assert (no_list.status_code, no_list.json()["code"]) == (400, "EDT001")


async def test_a_test_that_fails_refuses_the_whole_patch(room: Room) -> None:
    run_id = await room.start(CHAIN)
    answered = await patched(room, run_id, [*ADD_C, {"op": "test", "path": "/name", "value": "other"}])
    assert answered.json()["code"] == "EDT007"
    assert (await room.run(run_id))["revision"] == 1


async def test_if_match_refuses_a_patch_made_for_another_revision(room: Room) -> None:
    # Given a run at revision 2
    run_id = await room.start(CHAIN)
    await patched(room, run_id, If_Match='"1"')
    # When a patch made for revision 1 comes
    more = [{"op": "add", "path": "/nodes/-", "value": {"id": "d", "type": "function"}}]
    stale = await patched(room, run_id, more, If_Match='"1"')
    # Then it is refused with the revision there is, and one made for that is taken
    assert (stale.status_code, stale.json()["code"], stale.headers["etag"]) == (412, "API015", '"2"')
    assert (await patched(room, run_id, more, If_Match='"1", "2"')).json()["revision"] == 3


def test_entity_tags_match_as_the_standard_says() -> None:
    assert [matches(tags, 2) for tags in ('"2"', "*", '"1" , "2"', '"12"', "2", 'W/"2"', "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


async def test_a_patch_that_changes_nothing_makes_no_revision(room: Room) -> None:
    run_id = await room.start(CHAIN)
    for operations in ([], [{"op": "test", "path": "/name", "value": "chain"}]):
        answered = await patched(room, run_id, operations)
        assert (answered.status_code, answered.json()["changed"], answered.json()["revision"]) == (200, False, 1)
    assert (await room.get(f"/runs/{run_id}/patches")).json() == {"taken": [], "refused": []}


async def test_a_final_run_takes_no_patch(room: Room) -> None:
    run_id = await room.start(HELLO)
    await room.complete(run_id, "greet")
    for _ in range(2):
        answered = await patched(room, run_id)
        assert (answered.status_code, answered.json()["code"]) == (409, "RUN004")
        await room.cleaned_up(run_id)


@in_partitions
async def test_two_patches_at_once_both_land_one_after_the_other(room: Room) -> None:
    # Given two editors
    run_id = await room.start(CHAIN)

    def add(name: str) -> Any:
        return patched(room, run_id, [{"op": "add", "path": "/nodes/-", "value": {"id": name, "type": "function"}}])

    # When they patch at the same moment
    one, other = await asyncio.gather(add("c"), add("d"))
    # Then each gets a revision of its own, and both nodes are there
    assert {one.json()["revision"], other.json()["revision"]} == {2, 3}
    assert set((await room.run(run_id))["nodes"]) == {"a", "b", "c", "d"}


async def test_a_patch_sent_twice_with_its_key_is_applied_once(room: Room) -> None:
    run_id = await room.start(CHAIN)
    first = await patched(room, run_id, Idempotency_Key="k")
    again = await patched(room, run_id, Idempotency_Key="k")
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, first.json(), '"2"')
    assert (await room.run(run_id))["revision"] == 2


async def test_limits_that_were_lowered_since_are_no_change_to_the_run(settings: Settings) -> None:
    # Given a run that was accepted under wide limits
    async with room_on(settings) as room:
        run_id = await room.start(CHAIN)
    # When the installation's are lower, and the run is patched
    lower = settings.model_copy(update={"limits": LimitSettings(max_tokens=5)})
    async with room_on(lower) as room, journalled(room):
        assert (await patched(room, run_id)).status_code == 200
        # Then it has the limits it was accepted with
        assert "guards" not in (await room.get(f"/runs/{run_id}/plan")).json()


async def test_a_patch_is_durable_when_it_is_answered(room: Room) -> None:
    run_id = await room.start(CHAIN)
    seq = (await patched(room, run_id)).json()["seq"]
    assert await room.services.records.journal.position(RunId(run_id)) >= seq
