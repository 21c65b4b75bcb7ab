"""Tags: put, moved, rolled back and taken away over HTTP, with a trail; and runs that start by them."""

from __future__ import annotations

from typing import Any

from tests.api.room import HELLO, Room
from tests.api.test_runs import codes

PROD = "/workflows/hello/tags/prod"


async def publish(room: Room, versions: int = 3) -> None:
    """Publish versions of one workflow, each with a node of its own."""
    for number in range(1, versions + 1):
        answered = await room.post("/workflows", {**HELLO, "nodes": [{"id": f"v{number}", "type": "function"}]})
        assert (answered.status_code, answered.json()["version"]) == (201, number)


async def put(room: Room, version: int, path: str = PROD, **options: Any) -> Any:
    """Put a tag to a version."""
    return await room.client.put(f"/api/v1{path}", json={"version": version, "reason": "a test"}, **options)


async def remove(room: Room, **options: Any) -> Any:
    """Take the tag away."""
    return await room.client.delete(f"/api/v1{PROD}", **options)


async def test_a_tag_is_made_moved_and_looked_at(room: Room) -> None:
    await publish(room)
    # When a tag is made and then moved
    made, moved = await put(room, 1), await put(room, 2)
    # Then each answer is the tag as it is then, its ETag the count of its moves
    assert (made.status_code, made.headers["etag"], moved.status_code, moved.headers["etag"]) == (
        201,
        '"1"',
        200,
        '"2"',
    )
    told = moved.json()
    assert told == {
        "workflow": "hello",
        "tag": "prod",
        "version": 2,
        "move": 2,
        "moved_at": told["moved_at"],
        "moved_by": "local",
        "reason": "a test",
    }
    found = await room.get(PROD)
    assert (found.json(), found.headers["etag"]) == (told, '"2"')
    # And being put to where it is moves nothing
    again = await put(room, 2)
    assert (again.status_code, again.json()) == (200, told)
    assert (await room.get("/workflows/hello/tags")).json() == {"tags": [told], "next": None}


async def test_the_history_tells_every_move_newest_first(room: Room) -> None:
    # Given a tag that was made, moved, rolled back and taken away
    await publish(room)
    await put(room, 1)
    await put(room, 3)
    await room.post(f"{PROD}/rollback", {"reason": "too slow"})
    removed = await remove(room, params={"reason": "not used"})
    # Then all of that is told
    history = (await room.get(f"{PROD}/history")).json()
    shown = [(m["move"], m["moved_from"], m["moved_to"], m["reason"], m["in_force"]) for m in history["moves"]]
    assert shown == [
        (4, 1, None, "not used", 4),
        (3, 3, 1, "too slow", 1),
        (2, 1, 3, "a test", 2),
        (1, None, 1, "a test", 1),
    ]
    assert {move["by"] for move in history["moves"]} == {"local"}
    assert removed.json() == history["moves"][0]
    # Page by page, too
    page = (await room.get(f"{PROD}/history", params={"limit": 3})).json()
    rest = (await room.get(f"{PROD}/history", params={"before": page["next"]})).json()
    assert (page["moves"] + rest["moves"], rest["next"]) == (history["moves"], None)


async def test_a_tag_that_has_moved_since_it_was_read_is_not_moved(room: Room) -> None:
    # Given a tag that somebody has moved since it was read
    await publish(room)
    read = (await put(room, 1)).headers["etag"]
    await put(room, 2)
    guard = {"If-Match": read}
    # Then nothing that is guarded by what was read touches it
    answers = [
        await put(room, 3, headers=guard),
        await room.post(f"{PROD}/rollback", {}, headers=guard),
        await remove(room, headers=guard),
        await put(room, 3, headers={"If-Match": '"0"'}),
    ]
    assert [(answered.status_code, answered.json()["code"]) for answered in answers] == [(412, "API072")] * 4
    assert (await room.get(PROD)).json()["version"] == 2
    # And what is guarded by its last move does
    assert (await put(room, 3, headers={"If-Match": '"2"'})).status_code == 200
    refused = await put(room, 3, headers={"If-Match": "prod"})
    assert (refused.status_code, codes(refused)) == (422, [("API006", "/header/If-Match")])


async def test_a_rollback_that_is_sent_twice_with_one_key_is_carried_out_once(room: Room) -> None:
    await publish(room)
    for version in (1, 2, 3):
        await put(room, version)
    # When a rollback is sent twice under one key, and once more without
    key = {"Idempotency-Key": "k1"}
    first, second = [await room.post(f"{PROD}/rollback", {}, headers=key) for _ in range(2)]
    third = await room.post(f"{PROD}/rollback")
    # Then it was carried out once, and then once more
    assert [answered.json()["version"] for answered in (first, second, third)] == [2, 2, 1]
    assert (second.headers["idempotency-replayed"], second.headers["etag"]) == ("true", '"4"')
    # And there is nothing before the first move
    last = await room.post(f"{PROD}/rollback")
    assert (last.status_code, last.json()["code"]) == (409, "API071")


async def test_a_run_that_starts_by_a_tag_keeps_the_version_it_named_then(room: Room) -> None:
    await publish(room)
    await put(room, 2)
    # When runs start by a tag, before and after it moves
    before = (await room.post("/runs", {"workflow": "hello", "tag": "prod", "run_id": "before"})).json()
    await put(room, 3)
    after = (await room.post("/runs", {"workflow": "hello", "tag": "prod", "run_id": "after"})).json()
    # Then each has the version of its time
    assert (before["version"], after["version"]) == (2, 3)
    for run_id, version in (("before", 2), ("after", 3)):
        run = await room.run(run_id)
        told = run["workflow"], run["version"], run["tag"], list(run["nodes"])
        assert told == ("hello", version, "prod", [f"v{version}"])
    # And still says so when the tag is gone and the run is over
    await remove(room)
    await room.complete("before", "v2")
    await room.cleaned_up("before")
    run = await room.run("before")
    assert (run["status"], run["version"], run["tag"]) == ("COMPLETED", 2, "prod")
    listed = (await room.get("/runs")).json()["runs"]
    assert [(found["run_id"], found["version"], found["tag"]) for found in listed] == [
        ("after", 3, "prod"),
        ("before", 2, "prod"),
    ]


async def test_a_start_that_is_sent_again_is_the_same_run_though_the_tag_has_moved(room: Room) -> None:
    await publish(room)
    await put(room, 1)
    body, key = {"workflow": "hello", "tag": "prod"}, {"Idempotency-Key": "k1"}
    first = (await room.post("/runs", body, headers=key)).json()["run_id"]
    # When the tag has moved, and then is gone
    await put(room, 2)
    moved = await room.post("/runs", body, headers=key)
    await remove(room)
    gone = await room.post("/runs", body, headers=key)
    # Then the same request is answered with the same run
    assert [(answered.json()["run_id"], answered.json()["version"]) for answered in (moved, gone)] == [(first, 1)] * 2
    # But not another request under its key
    other = await room.post("/runs", {**body, "input": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "API013")
    # While a new one is told that there is no such tag
    new = await room.post("/runs", body)
    assert (new.status_code, new.json()["code"]) == (404, "API070")


async def test_what_a_workflow_does_not_have_is_not_found(room: Room) -> None:
    await publish(room, 1)
    found = [
        (await room.get(PROD), "API070"),
        (await room.get(f"{PROD}/history"), "API070"),
        (await remove(room), "API070"),
        (await room.post(f"{PROD}/rollback"), "API070"),
        (await put(room, 2), "API010"),
        (await put(room, 1, "/workflows/nobody/tags/prod"), "API010"),
        (await room.get("/workflows/nobody/tags"), "API010"),
        (await room.get("/workflows/nobody/versions"), "API010"),
    ]
    assert [(answered.status_code, answered.json()["code"]) for answered, _ in found] == [
        (404, code) for _, code in found
    ]
    assert (await room.get("/workflows/hello/tags")).json() == {"tags": [], "next": None}


async def test_a_tag_is_spelled_so_that_no_version_looks_like_it(room: Room) -> None:
    await publish(room, 1)
    for name in ("3", "-prod", "a b", "x" * 65, "@"):
        answered = await put(room, 1, f"/workflows/hello/tags/{name}")
        assert (answered.status_code, codes(answered)) == (422, [("API006", "/path/tag")]), name


async def test_versions_and_tags_are_listed_page_by_page(room: Room) -> None:
    await publish(room)
    for name in ("prod", "canary", "Old"):
        await put(room, 1, f"/workflows/hello/tags/{name}")
    page = (await room.get("/workflows/hello/tags", params={"limit": 2})).json()
    rest = (await room.get("/workflows/hello/tags", params={"after": page["next"]})).json()
    assert [tag["tag"] for tag in page["tags"] + rest["tags"]] == ["Old", "canary", "prod"]
    page = (await room.get("/workflows/hello/versions", params={"limit": 2})).json()
    rest = (await room.get("/workflows/hello/versions", params={"before": page["next"]})).json()
    assert ([found["version"] for found in page["versions"]], page["next"]) == ([3, 2], 2)
    assert ([found["version"] for found in rest["versions"]], rest["next"]) == ([1], None)
