"""Dead letters over HTTP: what is refused, and what becomes of letters whose runs go on without them."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.base.ids import RunId, TokenId
from pointsman.protocol.signal import Completed
from tests.api.room import Room

SIDES = {
    "name": "sides",
    "nodes": [
        {"id": "a", "type": "function", "failure_policy": "continue"},
        {"id": "b", "type": "function"},
        {"id": "c", "type": "wait", "wait": "input.n", "failure_policy": "park"},
    ],
}


async def letters(room: Room, query: str = "") -> list[dict[str, Any]]:
    answered = await room.get(f"/dead-letters{query}")
    assert answered.status_code == 200, answered.text
    return list(answered.json()["letters"])


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/dead-letters?cursor=1-dl_nothing", None, "/query/cursor"),
        ("/dead-letters?kind=odd", None, "/query/kind"),
        ("/dead-letters?since=-1", None, "/query/since"),
        ("/dead-letters/redrive", {"filter": {}}, "/filter"),
        ("/dead-letters/redrive", {"filter": {"since": 0}, "limit": 500, "rate_per_s": 1}, "/limit"),
        ("/dead-letters/redrive", {"filter": {"since": 0}, "odd": 1}, "/odd"),
        ("/dead-letters/letter/redrive", {}, "/path/letter_id"),
    ],
)
async def test_a_request_that_is_not_as_asked_for_is_refused_with_its_place(
    room: Room, path: str, body: Any, pointer: str
) -> None:
    answered = await room.get(path) if body is None else await room.post(path, body)
    assert (answered.status_code, [error["pointer"] for error in answered.json()["errors"]]) == (422, [pointer])


async def test_a_letter_that_never_was_is_not_found(room: Room) -> None:
    path = f"/dead-letters/dl_{'0' * 26}"
    answers = [await room.get(path), await room.post(f"{path}/redrive"), await room.post(f"{path}/skip")]
    assert [(answered.status_code, answered.json()["code"]) for answered in answers] == [(404, "API080")] * 3


async def test_pages_of_letters_follow_each_other(room: Room) -> None:
    # Given three letters
    for number in range(3):
        change = await room.fail(await room.start(run_id=f"run_{number}"), "greet", "busy")
        await room.journal(f"run_{number}", change.seq)
    # When they are read one by one
    first = (await room.get("/dead-letters?limit=2")).json()
    rest = (await room.get(f"/dead-letters?limit=2&cursor={first['next']}")).json()
    # Then each comes once, the newest first
    assert [letter["run_id"] for letter in (*first["letters"], *rest["letters"])] == ["run_2", "run_1", "run_0"]
    assert rest["next"] is None


async def test_a_node_that_its_open_run_goes_on_without_cannot_be_redriven_yet(room: Room) -> None:
    # Given a run that goes on with the rest, and one node of which is no task and waits for a decision
    run_id = await room.start(SIDES, input={"n": "soon"})
    change = await room.fail(run_id, "a", "busy")
    await room.journal(run_id, change.seq)
    by_node = {letter["node"]: letter["id"] for letter in await letters(room)}
    # When they are redriven, then each is refused with the reason
    for node, reason in (("a", "goes on without it"), ("c", "is no task, so it has no attempts")):
        answered = await room.post(f"/dead-letters/{by_node[node]}/redrive")
        told = answered.json()
        assert (answered.status_code, told["code"]) == (409, "API082")
        assert reason in told["detail"]
    # And what nothing waits for cannot be given up; what waits can
    assert (await room.post(f"/dead-letters/{by_node['a']}/skip")).json()["code"] == "API082"
    assert (await room.post(f"/dead-letters/{by_node['c']}/skip")).status_code == 200


async def test_a_letter_whose_run_went_on_says_with_what(room: Room) -> None:
    # Given a parked node for which a result is pushed after all
    document = {"name": "hello", "nodes": [{"id": "greet", "type": "function", "failure_policy": "park"}]}
    run_id = await room.start(document)
    await room.fail(run_id, "greet", "busy")
    await room.take(Completed(RunId(run_id), TokenId(":greet"), 1))
    await room.cleaned_up(run_id)
    # Then its letter is closed, and says so to whoever comes later
    (letter,) = await letters(room)
    told = (await room.get(f"/dead-letters/{letter['id']}")).json()
    assert (told["status"], told["decided"]["reason"], told["run_status"]) == ("closed", "completed", "COMPLETED")
    answered = await room.post(f"/dead-letters/{letter['id']}/redrive")
    assert (answered.status_code, answered.json()["code"]) == (409, "API081")
