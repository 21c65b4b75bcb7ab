"""Promotion of a run's edited definition to a version of its workflow."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.api.room import CHAIN, HELLO, Room
from tests.api.test_patches import ADD_C, patched

WITH_C = {
    **CHAIN,
    "nodes": [*CHAIN["nodes"], {"id": "c", "type": "function"}],
    "edges": [*CHAIN["edges"], {"from": "a", "to": "c"}],
}


async def promoted(room: Room, run_id: str, body: Any = None, **headers: str) -> httpx.Response:
    """Promote a run."""
    return await room.post(f"/runs/{run_id}/promote", body, headers=headers)


async def started(room: Room, version: int | None = None) -> str:
    """A run of the published chain."""
    await room.post("/workflows", CHAIN)
    answered = await room.post("/runs", {"workflow": "chain"} | ({"version": version} if version else {}))
    return str(answered.json()["run_id"])


async def test_an_edited_definition_becomes_the_newest_version_of_its_workflow(room: Room) -> None:
    # Given a run of a published workflow, and an edit of it
    run_id = await started(room)
    await patched(room, run_id, ADD_C)
    # When it is promoted
    answered = await promoted(room, run_id, {"description": "Do c as well"})
    # Then there is a new version, which says where it is from
    told = answered.json()
    assert (answered.status_code, answered.headers["etag"]) == (201, '"2"')
    assert told == {
        "name": "chain",
        "version": 2,
        "plan": told["plan"],
        "created_at": told["created_at"],
        "created_by": "local",
        "description": "Do c as well",
        "run_id": run_id,
        "revision": 2,
        "warnings": [],
    }
    document = (await room.get("/workflows/chain")).json()
    assert (document["version"], document["definition"], document["promoted_from"]) == (
        2,
        WITH_C,
        {"run_id": run_id, "revision": 2},
    )
    assert document["description"] == "Do c as well"
    # And new runs have the node from the start
    new = (await room.post("/runs", {"workflow": "chain"})).json()
    assert (new["version"], set((await room.run(new["run_id"]))["nodes"])) == (2, {"a", "b", "c"})


async def test_a_definition_that_some_version_has_is_not_published_again(room: Room) -> None:
    # Given two versions, and an edited run of the first
    run_id = await started(room)
    await room.post("/workflows", {**CHAIN, "metadata": {"team": "support"}})
    # When it is promoted before it is edited, and twice after
    unedited = await promoted(room, run_id)
    await patched(room, run_id, ADD_C)
    first, again = await promoted(room, run_id), await promoted(room, run_id, {"description": "again"})
    # Then a version is made once, and an older one is found as well as the newest
    assert [(answered.status_code, answered.json()["version"]) for answered in (unedited, first, again)] == [
        (200, 1),
        (201, 3),
        (200, 3),
    ]
    assert again.json()["description"] == ""
    # And that somebody else has written it in another order makes no difference
    other = await started(room, version=1)
    await patched(room, other, [ADD_C[0] | {"value": {"type": "function", "id": "c"}}, ADD_C[1]])
    assert ((await promoted(room, other)).status_code, again.json()["version"]) == (200, 3)


async def test_a_final_run_is_promoted_as_it_was_at_its_end(room: Room) -> None:
    # Given an edited run that has ended
    run_id = await started(room)
    await patched(room, run_id, ADD_C)
    for node in ("a", "b", "c"):
        await room.complete(run_id, node)
    await room.cleaned_up(run_id)
    # Then it can be promoted
    assert (await promoted(room, run_id)).status_code == 201
    assert (await room.get("/workflows/chain/versions/2")).json()["definition"] == WITH_C


async def test_a_run_started_inline_is_published_under_a_name(room: Room) -> None:
    # Given runs whose definitions came with their starts: one with a name of its own, one without
    named = await room.start(HELLO)
    nameless = await room.start({"nodes": HELLO["nodes"]})
    # Then the first is published under its own name, or another
    assert (await promoted(room, named)).json()["name"] == "hello"
    assert (await promoted(room, named, {"name": "greeting"})).json()["name"] == "greeting"
    assert (await room.get("/workflows/greeting")).json()["definition"] == {**HELLO, "name": "greeting"}
    # And the second needs one
    refused = await promoted(room, nameless)
    assert (refused.status_code, refused.json()["code"]) == (422, "API011")
    assert (await promoted(room, nameless, {"name": "third"})).status_code == 201


async def test_a_run_of_a_workflow_is_promoted_to_that_workflow_alone(room: Room) -> None:
    # Given a run whose definition was given another name by an edit
    run_id = await started(room)
    assert (await patched(room, run_id, [{"op": "replace", "path": "/name", "value": "other"}])).status_code == 200
    # Then no other name can be asked for
    refused = await promoted(room, run_id, {"name": "elsewhere"})
    assert (refused.status_code, [error["pointer"] for error in refused.json()["errors"]]) == (422, ["/name"])
    # And what is promoted is the workflow it is of: here nothing else is new
    assert ((await promoted(room, run_id)).status_code, (await room.get("/workflows/other")).status_code) == (200, 404)


async def test_a_promotion_sent_twice_with_its_key_is_answered_alike(room: Room) -> None:
    run_id = await started(room)
    await patched(room, run_id, ADD_C)
    first = await promoted(room, run_id, {}, **{"Idempotency-Key": "k"})
    again = await promoted(room, run_id, {}, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())


async def test_promotions_at_the_same_moment_make_one_version(room: Room) -> None:
    # Given two runs with the same edit
    runs = [await started(room) for _ in range(2)]
    for run_id in runs:
        await patched(room, run_id, ADD_C)
    # When both are promoted at once, some times each
    answers = await asyncio.gather(*(promoted(room, run_id) for run_id in runs * 3))
    # Then there is one new version
    assert sorted(answered.status_code for answered in answers) == [200] * 5 + [201]
    assert {answered.json()["version"] for answered in answers} == {2}


async def test_a_run_that_never_was_cannot_be_promoted(room: Room) -> None:
    answered = await promoted(room, "run_nobody")
    assert (answered.status_code, answered.json()["code"]) == (404, "RUN005")
