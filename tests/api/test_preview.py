"""Previews of edits over HTTP: they say what the commit does, and leave no trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.room import CHAIN, Room
from tests.api.test_patches import ADD_C, patched

CHANGES: dict[str, list[dict[str, Any]]] = {
    "adds behind a node that ended": ADD_C,
    "takes back what waits": [{"op": "remove", "path": "/edges/a->b"}, {"op": "remove", "path": "/nodes/b"}],
    "skips by a condition": [{"op": "add", "path": "/edges/a->b/when", "value": "output.x == 2"}],
    "changes nothing at once": [{"op": "add", "path": "/nodes/b/config", "value": {"to": "ann"}}],
}


async def everything(room: Room) -> tuple[Any, ...]:
    """Every byte of Redis and of all tables."""
    kept, pool = await room.dump(), room.services.records.pool
    names = await pool.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    assert "patch_audit" in [row["name"] for row in names]
    return kept, {row["name"]: await pool.fetch(f"SELECT t::text FROM {row['name']} t ORDER BY 1") for row in names}


async def a_run(room: Room) -> str:
    """A run that is paused behind its first node."""
    run_id = await room.start(CHAIN)
    await room.post(f"/runs/{run_id}/pause")
    await room.complete(run_id, "a", {"x": 1})
    return run_id


def tokens(nodes: list[dict[str, Any]]) -> set[str]:
    """Nodes outside of loops, as their tokens."""
    return {f":{node['node']}" for node in nodes}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_preview_says_what_the_commit_that_follows_does(room: Room, change: list[dict[str, Any]]) -> None:
    # Given a preview
    run_id = await a_run(room)
    previewed = await room.post(f"/runs/{run_id}/patch?dry_run=true", {"operations": change})
    assert (previewed.status_code, previewed.headers["etag"]) == (200, '"1"')
    told = previewed.json()
    assert (told["run_id"], told["base_revision"], told["revision"], told["changed"]) == (run_id, 1, 2, True)
    assert told["operations"] == change
    assert told["difference"]
    # When it is committed by its hash
    done = (await room.post(f"/runs/{run_id}/patch?plan_hash={told['plan_hash']}", {"operations": change})).json()
    # Then it does what was told
    effect = told["effect"]
    assert (done["revision"], done["plan_hash"]) == (2, told["plan_hash"])
    assert tokens(done["fired"]) == set(effect.get("fired", {}))
    for kind in ("cancelled", "skipped", "restarted"):
        assert tokens(done[kind]) <= set(effect.get(kind, []))


async def test_a_preview_leaves_no_trace_whether_it_would_be_taken_or_refused(room: Room) -> None:
    # Given everything there is
    run_id = await a_run(room)
    before = await everything(room)
    # When edits are previewed that would be taken, refused, change nothing, or come for another revision
    takes_back = [{"op": "remove", "path": "/edges/0"}, {"op": "remove", "path": "/nodes/a"}]
    key = {"Idempotency-Key": "k"}
    path = f"/runs/{run_id}/patch?dry_run=true"
    taken = await room.post(path, {"operations": ADD_C}, headers=key)
    refused = await room.post(path, {"operations": takes_back}, headers=key)
    nothing = await room.post(path, {"operations": []})
    other = await room.post(path, {"operations": ADD_C}, headers={"If-Match": '"7"'})
    pattern = await room.post(f"/runs/{run_id}/edits?dry_run=true", {"pattern": "delete", "nodes": "nowhere"})
    # Then each is answered as the commit would be
    statuses = [answered.status_code for answered in (taken, refused, nothing, other, pattern)]
    assert statuses == [200, 409, 200, 412, 409]
    assert (nothing.json()["changed"], nothing.json()["revision"], nothing.json()["difference"]) == (False, 1, {})
    # And not a byte has changed, not even in the audit
    assert await everything(room) == before


async def test_a_preview_refuses_with_the_problem_that_the_commit_has(room: Room) -> None:
    run_id = await a_run(room)
    change = [{"op": "add", "path": "/nodes/a/config", "value": {"to": "ann"}}]
    previewed = await room.post(f"/runs/{run_id}/patch?dry_run=true", {"operations": change})
    committed = await room.post(f"/runs/{run_id}/patch", {"operations": change})
    assert previewed.status_code == committed.status_code == 409
    assert previewed.json() == committed.json()


async def test_a_commit_whose_effect_is_another_than_previewed_changes_nothing(room: Room) -> None:
    # Given a preview made before the node it is behind has ended
    run_id = await room.start(CHAIN)
    told = (await room.post(f"/runs/{run_id}/patch?dry_run=true", {"operations": ADD_C})).json()
    await room.complete(run_id, "a", {"x": 1})
    before = await room.dump()
    # When it is committed, and would fire at once what it would only have attached
    answered = await room.post(f"/runs/{run_id}/patch?plan_hash={told['plan_hash']}", {"operations": ADD_C})
    # Then it is refused, and the run is as it was
    assert (answered.status_code, answered.json()["code"]) == (409, "EDT030")
    assert await room.dump() == before
    refused = (await room.get(f"/runs/{run_id}/patches")).json()["refused"]
    assert [row["code"] for row in refused] == ["EDT030"]


async def test_what_changes_nothing_any_more_is_refused_by_its_hash(room: Room) -> None:
    # Given a previewed edit that somebody else has made meanwhile
    run_id = await room.start(CHAIN)
    change = [{"op": "add", "path": "/nodes/b/config", "value": {"to": "ann"}}]
    path = f"/runs/{run_id}/patch"
    told = (await room.post(f"{path}?dry_run=true", {"operations": change})).json()
    await patched(room, run_id, [*change, {"op": "add", "path": "/nodes/b/retry", "value": {"max_attempts": 3}}])
    # When it is committed
    answered = await room.post(f"{path}?plan_hash={told['plan_hash']}", {"operations": change})
    # Then it is refused
    assert (answered.status_code, answered.json()["code"]) == (409, "EDT030")


async def test_a_running_task_is_begun_anew_where_the_editor_asks_for_that(room: Room) -> None:
    # Given a task that is out
    run_id = await room.start(CHAIN)
    change = [{"op": "add", "path": "/nodes/a/config", "value": {"to": "ann"}}]
    refused = await room.post(f"/runs/{run_id}/patch", {"operations": change})
    assert (refused.status_code, refused.json()["code"]) == (409, "EDT024")
    # When the edit says what shall become of it
    path = f"/runs/{run_id}/patch?on_running=restart"
    told = (await room.post(f"{path}&dry_run=true", {"operations": change})).json()
    done = (await room.post(f"{path}&plan_hash={told['plan_hash']}", {"operations": change})).json()
    # Then it is handed out anew
    assert told["effect"] == {"restarted": [":a"]}
    assert [(node["node"], node["attempt"]) for node in done["restarted"]] == [("a", 2)]
    assert done["fired"] == []


async def test_a_running_task_is_cancelled_where_the_editor_asks_for_that(room: Room) -> None:
    run_id = await room.start(CHAIN)
    await room.complete(run_id, "a", {"x": 1})
    change = CHANGES["takes back what waits"]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": change})).status_code == 409
    done = (await room.post(f"/runs/{run_id}/patch?on_running=cancel", {"operations": change})).json()
    assert [node["node"] for node in done["cancelled"]] == ["b"]
    odd = await room.post(f"/runs/{run_id}/patch?on_running=odd", {"operations": change})
    assert (odd.status_code, odd.json()["code"]) == (422, "API006")
