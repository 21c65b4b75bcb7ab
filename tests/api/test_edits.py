"""Edits over HTTP besides JSON Patch: patterns, merge patches, limits; and several editors at once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from pointsman.settings import EditSettings, Settings
from tests.api.room import CHAIN, Room, journalled, room_on
from tests.api.test_patches import patched, stored
from tests.api.test_runs import codes

INSERT = {"pattern": "insert_between", "from": "a", "to": "b", "node": {"id": "c", "type": "function"}}
MERGE = "application/merge-patch+json"


def new_node(name: str, type_: str = "function") -> list[dict[str, Any]]:
    """The operation that adds a node of its own."""
    return [{"op": "add", "path": "/nodes/-", "value": {"id": name, "type": type_}}]


async def merged(room: Room, run_id: str, patch: Any, media: str = MERGE) -> httpx.Response:
    """PATCH a run with another media type."""
    return await room.client.patch(f"/api/v1/runs/{run_id}", json=patch, headers={"Content-Type": media})


async def test_a_pattern_is_applied_and_answered_with_the_operations_it_became(room: Room) -> None:
    # Given a run
    run_id = await room.start(CHAIN)
    # When a node is inserted between two others, first for a look
    previewed = (await room.post(f"/runs/{run_id}/edits?dry_run=true", INSERT)).json()
    done = await room.post(f"/runs/{run_id}/edits?plan_hash={previewed['plan_hash']}", INSERT)
    # Then the run has it
    assert (done.status_code, done.json()["operations"]) == (200, previewed["operations"])
    definition = (await room.get(f"/runs/{run_id}/definition")).json()
    assert {(edge["from"], edge["to"]) for edge in definition["edges"]} == {("a", "c"), ("c", "b")}
    # And the same operations as a patch make the same definition
    twin = await room.start(CHAIN)
    await patched(room, twin, done.json()["operations"])
    assert (await room.get(f"/runs/{twin}/definition")).json() == definition
    taken = (await room.get(f"/runs/{run_id}/patches")).json()["taken"]
    assert [(row["description"], row["operations"]) for row in taken] == [("insert_between", done.json()["operations"])]


async def test_a_pattern_that_cannot_be_applied_changes_nothing_but_the_audit(room: Room) -> None:
    run_id = await room.start(CHAIN)
    before = await stored(room)
    unknown = await room.post(f"/runs/{run_id}/edits", {"pattern": "insert_betwen"})
    nowhere = await room.post(f"/runs/{run_id}/edits", {**INSERT, "from": "z"})
    assert (unknown.status_code, codes(unknown)) == (422, [("EDT040", "/pattern")])
    assert (nowhere.status_code, codes(nowhere)) == (409, [("EDT041", "/from")])
    assert await stored(room) == before
    refused = (await room.get(f"/runs/{run_id}/patches")).json()["refused"]
    assert [(row["code"], row["operations"]) for row in refused] == [
        ("EDT040", [{"pattern": "insert_betwen"}]),
        ("EDT041", [{**INSERT, "from": "z"}]),
    ]


async def test_a_merge_patch_becomes_operations(room: Room) -> None:
    run_id = await room.start(CHAIN)
    done = await merged(room, run_id, {"metadata": {"team": "support"}})
    assert (done.status_code, done.json()["operations"]) == (
        200,
        [{"op": "add", "path": "/metadata", "value": {"team": "support"}}],
    )
    undone = await merged(room, run_id, {"metadata": None})
    assert undone.json()["operations"] == [{"op": "remove", "path": "/metadata"}]
    assert (await room.get(f"/runs/{run_id}/definition")).json() == CHAIN
    assert (await merged(room, run_id, [])).json()["code"] == "EDT010"


async def test_other_media_types_are_refused_with_those_that_are_taken(room: Room) -> None:
    run_id = await room.start(CHAIN)
    answered = await merged(room, run_id, [], "application/json")
    assert (answered.status_code, answered.json()["code"]) == (415, "API004")
    assert answered.headers["accept-patch"] == f"application/json-patch+json, {MERGE}"


LIMITS = {
    "EDT051": (EditSettings(max_operations=1), [*new_node("c"), *new_node("d")]),
    "EDT052": (EditSettings(max_patches=1), new_node("d")),
    "EDT053": (EditSettings(max_nodes=3), new_node("d")),
    "EDT054": (EditSettings(node_types=("http",)), new_node("d")),
    "EDT055": (EditSettings(max_agent_nodes=1), new_node("d", "agent")),
}


@pytest.mark.parametrize("code", LIMITS)
async def test_a_patch_beyond_a_limit_of_the_run_is_refused(settings: Settings, code: str) -> None:
    # Given a run that was edited before
    edits, operations = LIMITS[code]
    async with room_on(settings) as room, journalled(room):
        run_id = await room.start(CHAIN)
        assert (await patched(room, run_id, new_node("c", "agent"))).status_code == 200
    async with room_on(settings.model_copy(update={"edits": edits})) as room, journalled(room):
        before = await stored(room)
        # When a patch goes one beyond a limit
        answered = await patched(room, run_id, operations)
        # Then it is refused, and nothing has changed
        assert (answered.status_code, answered.json()["code"]) == (422, code)
        assert await stored(room) == before


@pytest.mark.parametrize("editors", [2, 7, 16])
async def test_independent_edits_of_several_editors_all_land(room: Room, editors: int) -> None:
    # Given editors that know nothing of each other, and a run that goes on meanwhile
    run_id = await room.start(CHAIN)
    names = [f"n{number}" for number in range(editors)]
    # When all of them edit at once
    edits = asyncio.gather(*(patched(room, run_id, new_node(name)) for name in names))
    answers, _ = await asyncio.gather(edits, room.complete(run_id, "a"))
    # Then each made a revision of its own, and nothing is lost
    assert [answered.status_code for answered in answers] == [200] * editors
    assert sorted(answered.json()["revision"] for answered in answers) == list(range(2, editors + 2))
    nodes = (await room.run(run_id))["nodes"]
    assert set(nodes) == {"a", "b", *names}
    assert nodes["a"]["status"] == "completed"


@pytest.mark.parametrize("editors", [2, 16])
async def test_of_editors_who_mean_the_same_revision_exactly_one_wins(room: Room, editors: int) -> None:
    # Given a run, and editors that have all read the same revision, again and again
    run_id = await room.start(CHAIN)
    for revision in (1, 2, 3):
        # When each changes the same node
        tag, names = f'"{revision}"', [f"{revision}-{number}" for number in range(editors)]
        answers = await asyncio.gather(*(patched(room, run_id, tell(name), If_Match=tag) for name in names))
        # Then one has, and the others learn which revision there is now, and what to do
        assert sorted(answered.status_code for answered in answers) == [200, *[412] * (editors - 1)]
        assert {answered.headers["etag"] for answered in answers} == {f'"{revision + 1}"'}
        late = [answered.json() for answered in answers if answered.status_code == 412]
        assert {told["code"] for told in late} == {"API015"}
        assert all("Read its definition again" in told["detail"] for told in late)
        [winner] = [name for name, answered in zip(names, answers, strict=True) if answered.status_code == 200]
        assert (await room.get(f"/runs/{run_id}/definition")).json()["nodes"][1]["config"] == {"to": winner}
    assert (await room.run(run_id))["revision"] == 4


@pytest.mark.parametrize("editors", [2, 16])
async def test_of_editors_who_test_the_same_value_exactly_one_wins(room: Room, editors: int) -> None:
    # Given a run, and editors who rely on the same value and name no revision
    run_id = await room.start(CHAIN)
    await patched(room, run_id, tell("nobody"))
    asked = {"op": "test", "path": "/nodes/b/config/to", "value": "nobody"}
    names = list(map(str, range(editors)))
    # When each changes it at once
    answers = await asyncio.gather(*(patched(room, run_id, [asked, *tell(name)]) for name in names))
    # Then one has; the others are told what it is by now, and their code has a page that says what to do
    assert sorted(answered.status_code for answered in answers) == [200, *[409] * (editors - 1)]
    [winner] = [name for name, answered in zip(names, answers, strict=True) if answered.status_code == 200]
    for answered in answers:
        if answered.status_code == 409:
            told = answered.json()
            assert codes(answered) == [("EDT007", "/0/path")]
            assert f'the value there is "{winner}", not "nobody"' in told["detail"]
            assert "Read the definition again" in (await room.client.get(told["type"])).text
    assert (await room.run(run_id))["revision"] == 3


def tell(name: str) -> list[dict[str, Any]]:
    """An edit of the second node."""
    return [{"op": "add", "path": "/nodes/b/config", "value": {"to": name}}]
