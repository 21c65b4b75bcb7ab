"""Taking edits back over HTTP, and looking at the revisions that a run has had."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.room import CHAIN, HELLO, Room
from tests.api.test_patches import ADD_C, patched

WRITTEN = {
    **CHAIN,
    "nodes": [{"id": "a", "type": "function", "config": {"x": 1}, "retry": {"max_attempts": 2}}, CHAIN["nodes"][1]],
}
UNEXECUTED: dict[str, list[dict[str, Any]]] = {
    "adds": ADD_C,
    "removes": [{"op": "remove", "path": "/edges/a->b"}, {"op": "remove", "path": "/nodes/b"}],
    "renames": [{"op": "replace", "path": "/name", "value": "other"}],
    "takes a member out and leaves others behind it": [
        {"op": "remove", "path": "/nodes/b/type"},
        {"op": "add", "path": "/nodes/b/type", "value": "http"},
    ],
    "leaves one member fewer": [{"op": "remove", "path": "/nodes/a/retry"}],
}


async def definition(room: Room, run_id: str, revision: int | None = None) -> bytes:
    """A definition of a run, to the letter."""
    answered = await room.get(f"/runs/{run_id}/definition", params={"revision": revision} if revision else {})
    assert answered.status_code == 200, answered.text
    return answered.content


@pytest.mark.parametrize("change", UNEXECUTED.values(), ids=UNEXECUTED.keys())
async def test_taking_back_what_nothing_has_executed_restores_the_definition_to_the_letter(
    room: Room, change: list[dict[str, Any]]
) -> None:
    # Given an edit of what has not begun yet
    run_id = await room.start(WRITTEN)
    before, plan = await definition(room, run_id), (await room.get(f"/runs/{run_id}/plan")).content
    assert (await patched(room, run_id, change)).status_code == 200
    # When it is taken back
    answered = await room.post(f"/runs/{run_id}/patches/2/revert")
    # Then definition and plan are what they were
    assert (answered.status_code, answered.json()["revision"]) == (200, 3)
    assert await definition(room, run_id) == before
    assert (await room.get(f"/runs/{run_id}/plan")).content == plan
    # And history tells of both
    taken = (await room.get(f"/runs/{run_id}/patches")).json()["taken"]
    assert [(row["description"], row["base_revision"], row["revision"]) for row in taken] == [
        ("", 1, 2),
        ("revert of revision 2", 2, 3),
    ]
    assert taken[1]["operations"] == taken[0]["inverse"] == answered.json()["operations"]


async def test_the_first_edge_of_a_definition_comes_and_goes(room: Room) -> None:
    # Given a run whose definition leaves its edges out
    run_id = await room.start({"name": "alone", "nodes": CHAIN["nodes"][:1]})
    before = await definition(room, run_id)
    # When a node is added with an edge, and taken back
    answered = await patched(room, run_id, ADD_C)
    assert answered.status_code == 200, answered.text
    assert set((await room.run(run_id))["nodes"]) == {"a", "c"}
    assert (await room.post(f"/runs/{run_id}/patches/2/revert")).status_code == 200
    # Then the definition leaves them out again
    assert await definition(room, run_id) == before


async def test_a_revert_that_is_taken_back_does_the_edit_again(room: Room) -> None:
    run_id = await room.start(CHAIN)
    await patched(room, run_id)
    after = await definition(room, run_id)
    await room.post(f"/runs/{run_id}/patches/2/revert")
    await room.post(f"/runs/{run_id}/patches/3/revert")
    assert await definition(room, run_id) == after


async def test_later_edits_stay_when_an_earlier_one_is_taken_back(room: Room) -> None:
    run_id = await room.start(CHAIN)
    await patched(room, run_id)
    await patched(room, run_id, [{"op": "add", "path": "/nodes/-", "value": {"id": "d", "type": "function"}}])
    assert (await room.post(f"/runs/{run_id}/patches/2/revert")).status_code == 200
    assert set((await room.run(run_id))["nodes"]) == {"a", "b", "d"}


async def test_what_was_executed_is_not_taken_back(room: Room) -> None:
    # Given an edit whose node has run
    run_id = await room.start(CHAIN)
    await room.complete(run_id, "a", {"x": 1})
    await patched(room, run_id)
    await room.complete(run_id, "c")
    # When it is to be taken back, also for a look
    looked = await room.post(f"/runs/{run_id}/patches/2/revert?dry_run=true")
    answered = await room.post(f"/runs/{run_id}/patches/2/revert")
    # Then history stays
    assert looked.status_code == answered.status_code == 409
    assert answered.json()["code"].startswith("EDT02")
    assert (await room.run(run_id))["revision"] == 2


async def test_only_a_revision_that_a_patch_made_can_be_taken_back(room: Room) -> None:
    run_id = await room.start(CHAIN)
    for revision in (1, 2):
        answered = await room.post(f"/runs/{run_id}/patches/{revision}/revert")
        assert (answered.status_code, answered.json()["code"]) == (404, "RUN008")
    assert (await room.post("/runs/nowhere/patches/2/revert")).json()["code"] == "RUN005"


async def test_every_revision_can_be_read_and_compared_also_of_a_final_run(room: Room) -> None:
    # Given a run that was edited once, and has ended
    run_id = await room.start(HELLO)
    first = await definition(room, run_id)
    await patched(room, run_id, [{"op": "add", "path": "/nodes/-", "value": {"id": "d", "type": "function"}}])
    second = await definition(room, run_id)
    open_told = (await room.get(f"/runs/{run_id}/diff", params={"from": 1, "to": 2})).json()
    await room.post(f"/runs/{run_id}/cancel")
    await room.cleaned_up(run_id)
    # Then both revisions are there, and a third is not
    assert await definition(room, run_id, 1) == first
    assert await definition(room, run_id, 2) == second
    third = await room.get(f"/runs/{run_id}/definition?revision=3")
    assert (third.status_code, third.json()["code"]) == (404, "RUN008")
    # And they are compared, as they were while it was open
    told = (await room.get(f"/runs/{run_id}/diff")).json()
    assert told == open_told
    assert (told["run_id"], told["from"], told["to"]) == (run_id, 1, 2)
    assert told["from_definition"] != told["to_definition"]
    assert [node["id"] for node in told["difference"]["nodes_added"]] == ["d"]
    back = (await room.get(f"/runs/{run_id}/diff?from=2&to=1")).json()["difference"]
    assert [node["id"] for node in back["nodes_removed"]] == ["d"]
    assert (await room.get(f"/runs/{run_id}/diff?from=1&to=1")).json()["difference"] == {}
    assert (await room.get(f"/runs/{run_id}/diff?from=1&to=9")).json()["code"] == "RUN008"


async def test_a_run_that_was_never_edited_has_one_revision(room: Room) -> None:
    run_id = await room.start(CHAIN)
    assert await definition(room, run_id, 1) == await definition(room, run_id)
    assert (await room.get(f"/runs/{run_id}/diff")).json()["difference"] == {}
