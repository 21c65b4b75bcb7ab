"""Edit tokens over HTTP: who gets one, where it is taken, and when it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from biscuit_auth import KeyPair
from pydantic import SecretStr

from pointsman.base.errors import SettingsError
from pointsman.base.ids import RunId, TokenId
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, WorkerLost
from pointsman.rights.biscuit import mint, narrow
from pointsman.rights.grant import PREFIX, Limits
from pointsman.rights.signing_key import FILE
from pointsman.settings import EditSettings, Settings
from tests.api.room import Room, journalled, room_on
from tests.api.test_access import bearer, with_api
from tests.api.test_problems import told
from tests.api.token_holders import adding, assert_denied, issued, planning, refused, send, stored, token_for
from tests.rights.tokens import a_grant


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
    before = await stored(room)
    denied = await room.client.patch(
        f"/api/v1/runs/{run_id}", json=adding("more", type="http"), headers=bearer(token) | media
    )
    await assert_denied(room, run_id, denied, 403, "EDT060", before)


@pytest.mark.parametrize(
    "job_id",
    ["{run}::plan:2", "{run}::plan:0", "{run}::begin:1", "{run}::nobody:1", "{run}:plan[1]:plan:1", "r::plan:1"],
)
async def test_only_an_attempt_that_is_out_gets_a_token(room: Room, job_id: str) -> None:
    run_id = await planning(room)
    before = await stored(room)
    answered = await room.post("/edit-tokens", {"job_id": job_id.format(run=run_id)})
    assert told(answered) == (409, "API045")
    assert await stored(room) == before


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
        before = await stored(room)
        answered = await room.post("/edit-tokens", {"job_id": f"{run_id}::plan:1", **wanted})
        assert told(answered) == (403, "API046")
        pointers = [error["pointer"] for error in answered.json()["errors"]]
        assert pointers == ["/types", "/types", "/nodes", "/operations"]
        assert await stored(room) == before


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
    # And each denial is written down, with the run that was named or else with the token's own
    refused = (await room.get(f"/runs/{run_id}/patches")).json()["refused"]
    assert [(found["code"], found["by"]) for found in refused] == [
        ("API044", "edit token :plan (attempt 1, local)")
    ] * 8
    assert [found["description"].partition(":")[0] for found in refused[:3]] == [
        "GET /api/v1/runs",
        f"GET /api/v1/runs/{run_id}",
        "POST /api/v1/runs",
    ]


async def test_a_denial_that_no_run_is_known_of_is_in_the_log(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    # Given what only looks like a token, and a run that never was
    forged = bearer(f"{PREFIX}forged")
    for method, path, code in (("GET", "/runs", "API044"), ("PATCH", "/runs/run_nobody", "API040")):
        # When it is sent to where no run is
        answered = await room.client.request(method, f"/api/v1{path}", headers=forged)
        # Then the denial is told to whoever reads the log
        assert answered.json()["code"] == code
        assert "".join(capsys.readouterr()).count("denial_of_no_run") == 1


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


async def test_an_edit_token_of_a_pass_counts_for_that_pass(room: Room) -> None:
    # Given a loop whose first pass has added a node, all that its token allows
    loop = {"condition": "true", "max_iterations": 5, "loop_back_to": "plan"}
    nodes = [{"id": "plan", "type": "agent"}, {"id": "judge", "type": "function", "loop": loop}]
    run_id = await room.start({"name": "rounds", "nodes": nodes, "edges": [{"from": "plan", "to": "judge"}]})
    first = await issued(room, f"{run_id}:judge[1]", nodes=1)
    assert first["frame"] == "judge[1]"
    assert (await send(room, run_id, first["token"], adding("dig", before="judge"))).status_code == 200
    before = await stored(room)
    answered = await send(room, run_id, first["token"], adding("more", before="judge"))
    await assert_denied(room, run_id, answered, 403, "EDT061", before)
    # When the next pass begins
    for node in ("plan", "dig", "judge"):
        await room.take(Completed(RunId(run_id), TokenId(f"judge[1]:{node}"), 1, inline(None)))
    await room.dump()  # there once the journal has nothing left to do
    # Then the first token is over, and the task of the second pass may add a node of its own
    before = await stored(room)
    await assert_denied(room, run_id, await send(room, run_id, first["token"], []), 403, "API042", before)
    second = await issued(room, f"{run_id}:judge[2]", nodes=1)
    assert (await send(room, run_id, second["token"], adding("more", before="judge"))).status_code == 200


async def test_tokens_work_beside_keys_and_no_key_works_as_one(settings: Settings) -> None:
    # Given an API with a key
    async with room_on(with_api(settings, key=SecretStr("right"))) as room, journalled(room):
        room.client.headers.update(bearer("right"))
        run_id = await planning(room)
        # Then a worker needs it to get a token
        job, before = {"job_id": f"{run_id}::plan:1"}, await stored(room)
        assert told(await room.post("/edit-tokens", job, headers=bearer("wrong"))) == (401, "API007")
        assert await stored(room) == before
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
