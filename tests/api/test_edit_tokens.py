"""Edit tokens over HTTP: who gets one, what it is good for, and that nothing else comes of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from biscuit_auth import Biscuit, BlockBuilder, KeyPair
from pydantic import SecretStr

from pointsman.base.errors import SettingsError
from pointsman.base.ids import RunId, TokenId
from pointsman.protocol.signal import WorkerLost
from pointsman.rights.biscuit import key_in, mint, narrow
from pointsman.rights.grant import PREFIX, Limits
from pointsman.rights.signing_key import FILE
from pointsman.settings import EditSettings, Settings
from tests.api.room import Room, journalled, room_on
from tests.api.test_access import bearer, with_api
from tests.api.test_problems import told
from tests.rights.tokens import a_grant
from tests.support.waiting import eventually

PLANNED = {
    "name": "planned",
    "nodes": [
        {"id": "begin", "type": "function"},
        {"id": "plan", "type": "agent", "retry": {"max_attempts": 3, "backoff_ms": 0}},
        {"id": "other", "type": "function"},
        {"id": "report", "type": "function"},
    ],
    "edges": [{"from": "begin", "to": "plan"}, {"from": "begin", "to": "other"}, {"from": "plan", "to": "report"}],
}
QUOTED = {"id": "a" * 16, "allowed": {'agent", "http'}}


def adding(name: str, *, behind: str = "plan", before: str | None = "report", **form: Any) -> list[dict[str, Any]]:
    """Operations that add a node between two others."""
    node = {"id": name, "type": "agent", **form}
    targets = [{"from": name, "to": before}] if before else []
    edges = [{"from": behind, "to": name}, *targets]
    return [
        {"op": "add", "path": "/nodes/-", "value": node},
        *({"op": "add", "path": "/edges/-", "value": edge} for edge in edges),
    ]


async def planning(room: Room, **more: Any) -> str:
    """A run whose node `plan` is out."""
    run_id = await room.start(PLANNED, **more)
    await room.journal(run_id, (await room.complete(run_id, "begin")).seq)
    return run_id


async def issued(room: Room, run_id: str, *, attempt: int = 1, node: str = "plan", **wanted: Any) -> dict[str, Any]:
    """What a worker gets that asks for an edit token."""
    answered = await room.post("/edit-tokens", {"job_id": f"{run_id}::{node}:{attempt}", **wanted})
    assert answered.status_code == 201, answered.text
    return dict(answered.json())


async def token_for(room: Room, run_id: str, **wanted: Any) -> str:
    """The text of an edit token."""
    return str((await issued(room, run_id, **wanted))["token"])


async def send(room: Room, run_id: str, token: str, operations: list[dict[str, Any]]) -> httpx.Response:
    """Patch a run with an edit token."""
    return await room.post(f"/runs/{run_id}/patch", {"operations": operations}, headers=bearer(token))


async def stored(room: Room) -> tuple[Any, ...]:
    """Everything there is, but for the audit of refused patches."""
    pool = room.services.records.pool
    tables = await pool.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    rows = [await pool.fetch(f"SELECT * FROM {table['name']}") for table in tables if table["name"] != "patch_audit"]
    return await room.executor.store.dump(), [sorted(map(repr, found)) for found in rows]


async def refused(room: Room, run_id: str) -> list[dict[str, Any]]:
    """The audit of a run."""
    return list((await room.get(f"/runs/{run_id}/patches")).json()["refused"])


async def assert_denied(room: Room, run_id: str, answered: httpx.Response, status: int, code: str, before: Any) -> None:
    """A denial changed nothing and is written down."""
    assert told(answered) == (status, code), answered.text
    assert await stored(room) == before
    assert (await refused(room, run_id))[-1]["code"] == code


async def test_a_task_extends_its_own_run_by_the_token_it_asked_for(room: Room) -> None:
    # Given a task that is out
    run_id = await planning(room)
    # When it asks for an edit token
    answer = await issued(room, run_id)
    # Then it gets one that says what it is good for
    token, expires_at = answer.pop("token"), answer.pop("expires_at")
    assert token.startswith(PREFIX)
    assert expires_at > room.services.clock.now()
    assert answer == {
        "run_id": run_id,
        "node_id": "plan",
        "frame": "",
        "attempt": 1,
        "types": ["agent", "conditional", "join", "parallel", "wait"],
        "nodes": 20,
        "operations": 100,
    }
    # And a patch that it sends with it is taken, under a name that says where it came from
    patched = await send(room, run_id, token, adding("dig"))
    assert (patched.status_code, patched.json()["revision"]) == (200, 2)
    taken = (await room.get(f"/runs/{run_id}/patches")).json()["taken"]
    assert [patch["by"] for patch in taken] == ["edit token :plan (attempt 1, local)"]
    # And the run goes the new way
    await room.complete(run_id, "plan")
    await room.complete(run_id, "dig")
    assert (await room.run(run_id))["nodes"]["report"]["status"] == "dispatched"


async def test_both_ways_to_patch_a_run_take_the_token(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    media = {"Content-Type": "application/json-patch+json"}
    answered = await room.client.patch(f"/api/v1/runs/{run_id}", json=adding("dig"), headers=bearer(token) | media)
    assert answered.status_code == 200
    denied = await room.client.patch(
        f"/api/v1/runs/{run_id}", json=adding("more", type="http"), headers=bearer(token) | media
    )
    assert told(denied) == (403, "EDT060")


@pytest.mark.parametrize(
    "job_id",
    ["{run}::plan:2", "{run}::plan:0", "{run}::begin:1", "{run}::nobody:1", "{run}:plan[1]:plan:1", "r::plan:1"],
)
async def test_only_an_attempt_that_is_out_gets_a_token(room: Room, job_id: str) -> None:
    run_id = await planning(room)
    answered = await room.post("/edit-tokens", {"job_id": job_id.format(run=run_id)})
    assert told(answered) == (409, "API045")


async def test_what_is_no_job_id_is_refused_as_such(room: Room) -> None:
    for job_id in ("", "plan", "a:b:c", "a:b:c:d"):
        answered = await room.post("/edit-tokens", {"job_id": job_id})
        assert told(answered) == (422, "API006")
        assert answered.json()["errors"][0]["pointer"] == "/job_id"


async def test_a_task_may_ask_for_less_and_not_for_more(settings: Settings) -> None:
    # Given an installation that allows one more type
    edits = EditSettings(token_types=("http",), token_nodes=3, token_operations=9)
    async with room_on(settings.model_copy(update={"edits": edits})) as room, journalled(room):
        run_id = await planning(room)
        # Then a task may have that, or less
        answer = await issued(room, run_id, types=["http"], nodes=0, operations=9)
        assert (answer["types"], answer["nodes"], answer["operations"]) == (["http"], 0, 9)
        # But nothing beyond
        wanted = {"types": ["function", "agent", "loop"], "nodes": 4, "operations": 10}
        answered = await room.post("/edit-tokens", {"job_id": f"{run_id}::plan:1", **wanted})
        assert told(answered) == (403, "API046")
        pointers = [error["pointer"] for error in answered.json()["errors"]]
        assert pointers == ["/types", "/types", "/nodes", "/operations"]


async def test_a_tampered_token_is_no_token_at_all(room: Room) -> None:
    # Given a token, and the same one changed in any way
    run_id = await planning(room)
    token = await token_for(room, run_id)
    middle = len(PREFIX) + 40
    other = "A" if token[middle] != "A" else "B"
    before = await stored(room)
    for bad in (
        PREFIX,
        PREFIX + "x",
        token[:-8],
        token[:middle] + other + token[middle + 1 :],
        mint(a_grant(run=run_id), KeyPair().private_key),
        PREFIX + "A" * 9_000,
    ):
        # When a patch comes with it
        answered = await send(room, run_id, bad, adding("dig"))
        # Then it is refused, though the API has no keys
        await assert_denied(room, run_id, answered, 401, "API040", before)
        assert answered.headers["www-authenticate"].startswith("Bearer")
    assert {row["by"] for row in await refused(room, run_id)} == {"edit token (not valid)"}


async def test_a_token_is_good_for_its_own_run_alone(room: Room) -> None:
    # Given two runs, and a token for the one
    run_id, other = await planning(room), await planning(room)
    token = await token_for(room, run_id)
    before = await stored(room)
    # When the other is patched with it
    answered = await send(room, other, token, adding("dig"))
    await assert_denied(room, other, answered, 403, "API043", before)


async def test_a_token_opens_nothing_but_edits(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    before = await stored(room)
    for method, path in (
        ("GET", "/runs"),
        ("GET", f"/runs/{run_id}"),
        ("POST", "/runs"),
        ("POST", f"/runs/{run_id}/cancel"),
        ("POST", "/edit-tokens"),
        ("PATCH", f"/runs/{run_id}/patch"),
        ("POST", f"/runs/{run_id}/patch/"),
        ("GET", f"/runs/{run_id}/patches"),
    ):
        answered = await room.client.request(method, f"/api/v1{path}", headers=bearer(token))
        assert told(answered) == (403, "API044"), path
    assert await stored(room) == before


async def test_a_token_ends_with_its_task(room: Room) -> None:
    # Given a token whose task has been completed since
    run_id = await planning(room)
    token = await token_for(room, run_id)
    await room.journal(run_id, (await room.complete(run_id, "plan")).seq)
    before = await stored(room)
    # Then it is good for nothing, be it a patch that changes nothing
    for operations in (adding("dig"), []):
        await assert_denied(room, run_id, await send(room, run_id, token, operations), 403, "API042", before)


async def test_a_token_ends_with_its_attempt(room: Room) -> None:
    # Given a token, and its attempt lost with its worker and handed out again
    run_id = await planning(room)
    token = await token_for(room, run_id)
    lost = await room.take(WorkerLost(RunId(run_id), TokenId(":plan"), 1, "w"))
    await room.journal(run_id, lost.seq)
    before = await stored(room)
    # Then it is good for nothing
    await assert_denied(room, run_id, await send(room, run_id, token, adding("dig")), 403, "API042", before)
    # While the attempt that is out now can have one
    again = await token_for(room, run_id, attempt=2)
    assert (await send(room, run_id, again, adding("dig"))).status_code == 200


async def test_a_token_ends_with_its_run(room: Room) -> None:
    # Given a token that was used, and its run cancelled since
    run_id = await planning(room)
    token = await token_for(room, run_id)
    operations = adding("dig")
    assert (await send(room, run_id, token, operations)).status_code == 200
    await room.post(f"/runs/{run_id}/cancel")
    # When the same patch is sent again, before and after the run is gone from Redis
    for _ in range(2):
        before = await stored(room)
        await assert_denied(room, run_id, await send(room, run_id, token, operations), 403, "API042", before)
        await room.cleaned_up(run_id)


async def test_a_token_expires_though_its_task_goes_on(settings: Settings) -> None:
    # Given tokens that count for a moment only
    edits = EditSettings(token_ttl_ms=1)
    async with room_on(settings.model_copy(update={"edits": edits})) as room, journalled(room):
        run_id = await planning(room)
        token = await token_for(room, run_id)
        before = await stored(room)
        answered = await send(room, run_id, token, adding("dig"))
        await assert_denied(room, run_id, answered, 401, "API041", before)


TOO_FAR: list[tuple[list[dict[str, Any]], str]] = [
    (adding("dig", type="http"), "EDT060"),
    (adding("dig", behind="begin"), "EDT063"),
    (adding("dig", before="other"), "EDT064"),
    ([{"op": "remove", "path": "/nodes/report"}, {"op": "remove", "path": "/edges/plan->report"}], "EDT066"),
    ([{"op": "replace", "path": "/nodes/report/type", "value": "agent"}], "EDT066"),
    ([{"op": "add", "path": "/name", "value": "mine"}], "EDT066"),
    ([{"op": "add", "path": "/metadata", "value": {"output": "1"}}], "EDT066"),
    (adding("dig", loop={"condition": "true", "max_iterations": 9, "loop_back_to": "dig"}), "EDT067"),
    ([*adding("dig", before=None), {"op": "add", "path": "/edges/3/on", "value": "error"}], "EDT068"),
    # A node that is allowed, made one of another type in the same patch
    ([*adding("dig"), {"op": "replace", "path": "/nodes/dig/type", "value": "http"}], "EDT060"),
    # The same by copy
    (
        [
            {"op": "copy", "from": "/nodes/begin", "path": "/nodes/-"},
            {"op": "replace", "path": "/nodes/4/id", "value": "dig"},
            {"op": "add", "path": "/edges/-", "value": {"from": "plan", "to": "dig"}},
        ],
        "EDT060",
    ),
    ([{"op": "move", "from": "/nodes/0", "path": "/nodes/-"}], "EDT066"),
    ([{"op": "move", "from": "/edges/2", "path": "/edges/0"}], "EDT066"),
    ([{"op": "replace", "path": "/edges/plan->report/to", "value": "other"}], "EDT066"),
    ([{"op": "add", "path": "/edges/-", "value": {"from": "other", "to": "report"}}], "EDT063"),
]


async def test_what_a_token_does_not_allow_changes_nothing(room: Room) -> None:
    # Given a task with a token
    run_id = await planning(room)
    token = await token_for(room, run_id)
    before = await stored(room)
    for operations, code in TOO_FAR:
        # When it sends a patch that goes too far
        answered = await send(room, run_id, token, operations)
        # Then that is denied with everything that is wrong, and only the audit knows of it
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
        assert code in {error["code"] for error in answered.json()["errors"]}, answered.text
        row = (await refused(room, run_id))[-1]
        assert (row["by"], row["operations"]) == ("edit token :plan (attempt 1, local)", operations)
        assert row["problems"] == answered.json()["errors"]


RACED = {
    "name": "raced",
    "nodes": [
        *(
            {"id": name, "type": kind}
            for name, kind in (("plan", "agent"), ("fast", "function"), ("after", "function"))
        ),
        {"id": "first", "type": "function", "join": "any"},
    ],
    "edges": [{"from": "plan", "to": "first"}, {"from": "fast", "to": "first"}, {"from": "first", "to": "after"}],
}


async def test_no_token_ends_what_others_have_begun(room: Room) -> None:
    # Given a task that is still out, while a node behind it was reached by another way and is running
    run_id = await room.start(RACED)
    await room.complete(run_id, "fast")
    await room.journal(run_id, (await room.complete(run_id, "first")).seq)
    token = await token_for(room, run_id)
    before = await stored(room)
    operations = adding("dig", behind="first", before="after")
    for query in ({"on_running": "cancel"}, {"on_running": "restart"}, {}):
        # When it would have that node wait for another, and its task taken back
        answered = await room.post(
            f"/runs/{run_id}/patch", {"operations": operations}, headers=bearer(token), params=query
        )
        # Then that is denied or, where nothing is to be taken back, refused
        assert answered.status_code in (403, 409), answered.text
        assert await stored(room) == before
    cancel = {"on_running": "cancel"}
    denied = await room.post(f"/runs/{run_id}/patch", {"operations": operations}, headers=bearer(token), params=cancel)
    assert told(denied) == (403, "EDT066")
    previewed = await room.post(
        f"/runs/{run_id}/patch", {"operations": operations}, headers=bearer(token), params=cancel | {"dry_run": "true"}
    )
    assert told(previewed) == (403, "EDT066")
    # While what the token has added itself may be taken back
    assert (await send(room, run_id, token, adding("mine", behind="first", before=None))).status_code == 200
    gone = [{"op": "remove", "path": "/edges/first->mine"}, {"op": "remove", "path": "/nodes/mine"}]
    taken_back = await room.post(f"/runs/{run_id}/patch", {"operations": gone}, headers=bearer(token), params=cancel)
    assert (taken_back.status_code, len(taken_back.json()["cancelled"])) == (200, 1)


async def test_a_pattern_is_held_to_the_same_as_its_operations(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    node = {"id": "dig", "type": "agent"}
    before = await stored(room)
    # Given patterns that would change or remove what others have made
    for pattern, found in (
        ({"pattern": "insert_between", "from": "plan", "to": "report", "node": node}, {"EDT066"}),
        ({"pattern": "delete", "nodes": "report"}, {"EDT066"}),
        ({"pattern": "wrap_with_retry", "nodes": "report", "retry": {"max_attempts": 2}}, {"EDT060", "EDT066"}),
        ({"pattern": "insert_parallel", "to": "other", "node": node}, {"EDT063"}),
    ):
        answered = await room.post(f"/runs/{run_id}/edits", pattern, headers=bearer(token))
        # Then they are denied
        assert {error["code"] for error in answered.json()["errors"]} == found
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
    # While one that adds behind the task is taken
    between = {"pattern": "insert_parallel", "to": "report", "node": node}
    answered = await room.post(f"/runs/{run_id}/edits", between, headers=bearer(token))
    assert answered.status_code == 200, answered.text


async def test_a_merge_patch_is_held_to_its_effect(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    media = {"Content-Type": "application/merge-patch+json"}
    before = await stored(room)
    answered = await room.client.patch(f"/api/v1/runs/{run_id}", json={"name": "mine"}, headers=bearer(token) | media)
    await assert_denied(room, run_id, answered, 403, "EDT066", before)


async def test_a_preview_is_held_to_what_the_token_allows(room: Room) -> None:
    # Given a token for one node
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    dry = {"dry_run": "true"}
    before = await stored(room)
    # Then it may look at what an edit would do, as often as it likes
    for _ in range(2):
        shown = await room.post(
            f"/runs/{run_id}/patch", {"operations": adding("one")}, headers=bearer(token), params=dry
        )
        assert (shown.status_code, shown.json()["revision"]) == (200, 2)
    # But at nothing that it may not do
    two = adding("one") + adding("two")
    denied = await room.post(f"/runs/{run_id}/patch", {"operations": two}, headers=bearer(token), params=dry)
    assert told(denied) == (403, "EDT061")
    assert await stored(room) == before


async def test_counts_hold_over_many_patches(room: Room) -> None:
    # Given a token for two nodes
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=2)
    # When two are added, one is taken away, and another is to be added
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    assert (await send(room, run_id, token, adding("two"))).status_code == 200
    gone = [{"op": "remove", "path": path} for path in ("/edges/plan->two", "/edges/two->report", "/nodes/two")]
    assert (await send(room, run_id, token, gone)).status_code == 200
    before = await stored(room)
    answered = await send(room, run_id, token, adding("three"))
    # Then that is one too many
    await assert_denied(room, run_id, answered, 403, "EDT061", before)
    # With another token of the same task, too
    again = await token_for(room, run_id, nodes=2)
    await assert_denied(room, run_id, await send(room, run_id, again, adding("three")), 403, "EDT061", before)


async def test_operations_are_counted_over_many_patches(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id, operations=5)
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    before = await stored(room)
    await assert_denied(room, run_id, await send(room, run_id, token, adding("two")), 403, "EDT062", before)
    config = [{"op": "add", "path": "/nodes/one/config", "value": {"depth": 2}}]
    assert (await send(room, run_id, token, config)).status_code == 200


async def test_patches_at_the_same_moment_do_not_exceed_a_count(room: Room) -> None:
    # Given a token for two nodes
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=2)
    # When four are added at once
    answers = await asyncio.gather(*(send(room, run_id, token, adding(f"n{place}")) for place in range(4)))
    # Then two are taken
    assert sorted(answered.status_code for answered in answers) == [200, 200, 403, 403]
    assert len((await room.run(run_id))["nodes"]) == len(PLANNED["nodes"]) + 2


async def test_what_is_not_in_the_journal_yet_is_counted_all_the_same(room: Room) -> None:
    # Given a token for one node, which it adds while the journal stands still
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    room.writing.clear()
    adding_one = asyncio.create_task(send(room, run_id, token, adding("one")))

    async def landed() -> bool:
        return (await room.executor.load(RunId(run_id))).head.revision == 2

    await eventually(landed)
    # When it adds another before the journal goes on
    adding_two = asyncio.create_task(send(room, run_id, token, adding("two")))
    room.writing.set()
    # Then the second is denied
    assert [(await adding_one).status_code, told(await adding_two)] == [200, (403, "EDT061")]


async def test_what_others_did_meanwhile_is_no_way_around_a_count(room: Room) -> None:
    # Given a token for one node, which was added and then taken away by somebody else: the definition is as it was
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=1)
    definition = (await room.get(f"/runs/{run_id}/definition")).content
    assert (await send(room, run_id, token, adding("one"))).status_code == 200
    gone = [{"op": "remove", "path": path} for path in ("/edges/plan->one", "/edges/one->report", "/nodes/one")]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": gone})).status_code == 200
    assert (await room.get(f"/runs/{run_id}/definition")).content == definition
    # Then it is used up
    assert told(await send(room, run_id, token, adding("one"))) == (403, "EDT061")


async def test_what_an_operator_changed_is_not_changed_back(room: Room) -> None:
    run_id = await planning(room)
    token = await token_for(room, run_id)
    await send(room, run_id, token, adding("dig"))
    careful = [{"op": "add", "path": "/nodes/dig/config", "value": {"careful": True}}]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": careful})).status_code == 200
    answered = await send(room, run_id, token, [{"op": "remove", "path": "/nodes/dig/config"}])
    assert told(answered) == (403, "EDT066")


async def test_a_narrowed_token_does_less_and_never_more(room: Room) -> None:
    # Given a token that was narrowed by its holder, without asking anybody
    run_id = await planning(room)
    token = await token_for(room, run_id, nodes=3)
    little = narrow(token, Limits(types=frozenset({"agent", "http"}), nodes=1, operations=4))
    assert (await send(room, run_id, little, adding("one"))).status_code == 200
    # Then it allows what both do
    before = await stored(room)
    for bad, code in (
        (adding("two", before=None), "EDT061"),
        (adding("two", type="http"), "EDT060"),
        (adding("two"), "EDT062"),
    ):
        answered = await send(room, run_id, little, bad)
        await assert_denied(room, run_id, answered, 403, answered.json()["code"], before)
        assert code in {error["code"] for error in answered.json()["errors"]}
    # And what was widened afterwards is as narrow as before
    wide = narrow(little, Limits(frozenset({"agent", "http", "function"}), 100, 100))
    assert told(await send(room, run_id, wide, adding("two", before=None))) == (403, "EDT061")
    # While the first holder has what is left
    assert (await send(room, run_id, token, adding("two"))).status_code == 200
    by = [patch["by"] for patch in (await room.get(f"/runs/{run_id}/patches")).json()["taken"]]
    assert by[0].startswith("edit token :plan~")
    assert by[1] == "edit token :plan (attempt 1, local)"


async def test_a_share_that_only_looks_like_ours_has_biscuit_against_it(settings: Settings) -> None:
    # Given a token handed on by other means: its one type has quotes in it, and is printed as if it were two
    edits = EditSettings(token_types=("http",))
    async with room_on(settings.model_copy(update={"edits": edits})) as room, journalled(room):
        run_id = await planning(room)
        token = await token_for(room, run_id)
        block = BlockBuilder("share({id}); check if types($types), {allowed}.contains($types)", QUOTED)
        biscuit = Biscuit.from_base64(token.removeprefix(PREFIX), key_in(token))
        forged = PREFIX + biscuit.append(block).to_base64()
        before = await stored(room)
        # When it is used
        answered = await send(room, run_id, forged, adding("dig"))
        # Then Biscuit's own evaluation has the last word
        await assert_denied(room, run_id, answered, 403, "EDT069", before)


async def test_an_edit_token_of_a_pass_counts_for_that_pass(room: Room) -> None:
    # Given a loop that has gone round once
    body = [{"id": "plan", "type": "agent"}, {"id": "judge", "type": "function"}]
    body[1]["loop"] = {"condition": "true", "max_iterations": 5, "loop_back_to": "plan"}  # type: ignore[assignment]
    run_id = await room.start({"name": "rounds", "nodes": body, "edges": [{"from": "plan", "to": "judge"}]})
    first = await room.post("/edit-tokens", {"job_id": f"{run_id}:judge[1]:plan:1", "nodes": 1})
    assert (first.status_code, first.json()["frame"]) == (201, "judge[1]")
    added = adding("dig", before="judge")
    assert (await send(room, run_id, first.json()["token"], added)).status_code == 200


async def test_tokens_work_beside_keys_and_no_key_works_as_one(settings: Settings) -> None:
    # Given an API with a key
    async with room_on(with_api(settings, key=SecretStr("right"))) as room, journalled(room):
        room.client.headers.update(bearer("right"))
        run_id = await planning(room)
        # Then a worker needs it to get a token
        job = {"job_id": f"{run_id}::plan:1"}
        assert told(await room.post("/edit-tokens", job, headers=bearer("wrong"))) == (401, "API007")
        token = await token_for(room, run_id)
        # And the token says with which it was got
        assert (await send(room, run_id, token, adding("dig"))).status_code == 200
        taken = (await room.get(f"/runs/{run_id}/patches")).json()["taken"]
        assert taken[0]["by"] == "edit token :plan (attempt 1, api-key)"
        # And is good for nothing else
        assert told(await room.get("/runs", headers=bearer(token))) == (403, "API044")


async def test_no_token_is_kept_anywhere(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    # Given tokens that were used, narrowed, and denied
    run_id = await planning(room)
    token = await token_for(room, run_id)
    narrowed = narrow(token, Limits(nodes=1))
    await send(room, run_id, token, adding("one"))
    await send(room, run_id, narrowed, adding("two", type="http"))
    # Then no server and no log has them
    everything = repr(await stored(room)) + json.dumps(await refused(room, run_id)) + "".join(capsys.readouterr())
    assert PREFIX not in everything
    assert token.removeprefix(PREFIX)[:60] not in everything


async def test_an_answer_with_a_token_is_kept_by_no_cache(room: Room) -> None:
    run_id = await planning(room)
    answered = await room.post("/edit-tokens", {"job_id": f"{run_id}::plan:1"}, headers={"Idempotency-Key": "k"})
    assert answered.headers["cache-control"] == "no-store"
    assert "k" not in [row["key"] for row in await room.services.records.pool.fetch("SELECT * FROM idempotency_keys")]


async def test_the_signing_key_outlives_the_process(settings: Settings) -> None:
    # Given a token of an API process
    async with room_on(settings) as room, journalled(room):
        run_id = await planning(room)
        token = await token_for(room, run_id)
    # When another one serves the same data directory
    async with room_on(settings) as room, journalled(room):
        # Then it takes the token
        assert (await send(room, run_id, token, adding("dig"))).status_code == 200
        assert (settings.data_dir / FILE).stat().st_mode & 0o777 == 0o600


async def test_a_wrong_key_file_is_told_at_the_start(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("not a key")
    with pytest.raises(SettingsError, match="CFG011"):
        async with room_on(settings.model_copy(update={"edits": EditSettings(key_file=file)})):
            pass


async def test_a_denial_without_postgres_is_a_denial_all_the_same(settings: Settings) -> None:
    # Given an API that has lost Postgres
    async with room_on(settings) as room:
        await room.services.records.pool.close()
        # Then what is no token is refused, though that cannot be written down
        assert told(await send(room, "run_1", PREFIX + "x", [])) == (401, "API040")
