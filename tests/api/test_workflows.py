"""Workflows: published under a name, each version for ever."""

from __future__ import annotations

from tests.api.room import CHAIN, HELLO, Room
from tests.api.test_runs import codes

YAML = """
name: hello
nodes:
  - {id: greet, type: function}
"""


async def test_each_new_definition_is_a_new_version_and_the_same_again_is_not(room: Room) -> None:
    # When a definition is published
    first = await room.post("/workflows", HELLO)
    told = first.json()
    assert first.status_code == 201
    assert told == {
        "name": "hello",
        "version": 1,
        "plan": told["plan"],
        "created_at": told["created_at"],
        "created_by": "local",
        "warnings": [],
    }
    # Then the same again is that version, in whatever order or language it is written
    again = await room.post("/workflows", dict(reversed(HELLO.items())))
    assert (again.status_code, again.json()) == (200, told)
    written = await room.client.post(
        "/api/v1/workflows", content=YAML, headers={"Content-Type": "application/yaml; charset=utf-8"}
    )
    assert (written.status_code, written.json()) == (200, told)
    # And another definition is the next version
    other = await room.post("/workflows", {**HELLO, "metadata": {"team": "support"}})
    assert (other.status_code, other.json()["version"]) == (201, 2)
    # Even if it is the first one again
    assert (await room.post("/workflows", HELLO)).json()["version"] == 3


async def test_every_version_keeps_its_definition_as_it_was_written(room: Room) -> None:
    # Given two versions
    await room.post("/workflows", HELLO)
    await room.post("/workflows", {**HELLO, "metadata": {"team": "support"}})
    # Then each is there, and without a version the newest
    first = await room.get("/workflows/hello/versions/1")
    newest = await room.get("/workflows/hello")
    assert (first.json()["version"], first.json()["definition"]) == (1, HELLO)
    assert newest.json() == (await room.get("/workflows/hello/versions/2")).json()
    assert newest.json()["definition"]["metadata"] == {"team": "support"}


async def test_workflows_are_listed_by_name_page_by_page(room: Room) -> None:
    for name in ("b", "a", "c d"):
        await room.post("/workflows", {**HELLO, "name": name})
    first = (await room.get("/workflows", params={"limit": 2})).json()
    assert ([found["name"] for found in first["workflows"]], first["next"]) == (["a", "b"], "b")
    rest = (await room.get("/workflows", params={"after": first["next"]})).json()
    assert ([found["name"] for found in rest["workflows"]], rest["next"]) == (["c d"], None)
    assert (await room.get("/workflows/c d")).json()["name"] == "c d"


async def test_a_definition_with_problems_is_not_published(room: Room) -> None:
    # Given YAML with a key twice
    answered = await room.client.post(
        "/api/v1/workflows", content=YAML + "name: other\n", headers={"Content-Type": "text/yaml"}
    )
    # Then its place is told, and nothing is there
    assert (answered.status_code, codes(answered)) == (422, [("DEF002", "/name")])
    assert answered.json()["errors"][0]["line"] == 5
    assert (await room.get("/workflows")).json() == {"workflows": [], "next": None}


async def test_a_workflow_is_published_under_a_name_that_fits_an_address(room: Room) -> None:
    for name in (None, "a/b", "x" * 201, "tab\t"):
        answered = await room.post("/workflows", {**HELLO, "name": name} if name else {"nodes": HELLO["nodes"]})
        assert (answered.status_code, codes(answered)) == (422, [("API011", "/name")]), name


async def test_a_workflow_that_does_not_exist_is_not_found(room: Room) -> None:
    await room.post("/workflows", CHAIN)
    for path in ("/workflows/hello", "/workflows/chain/versions/2"):
        answered = await room.get(path)
        assert (answered.status_code, answered.json()["code"]) == (404, "API010")


async def test_what_the_compiler_doubts_is_told_with_the_version(room: Room) -> None:
    nodes = [{"id": "a", "type": "function"}, {"id": "b", "type": "parallel", "timeout_ms": 5}]
    answered = await room.post("/workflows", {"name": "doubtful", "nodes": nodes, "edges": [{"from": "a", "to": "b"}]})
    assert answered.status_code == 201
    assert [(found["code"], found["pointer"]) for found in answered.json()["warnings"]] == [
        ("CMP104", "/nodes/1/timeout_ms")
    ]
