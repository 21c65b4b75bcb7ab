"""Who may call: keys, and without keys this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import argon2
import pytest
from pydantic import SecretStr

from orchestrator_api.keys import HashedKeys, keys_of, read_hashes
from pointsman.base.errors import SettingsError
from pointsman.settings import ApiSettings, Settings
from tests.api.room import HELLO, Room, journalled, room_on
from tests.api.test_problems import told

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def with_api(settings: Settings, **api: Any) -> Settings:
    return settings.model_copy(update={"api": ApiSettings(**api)})


async def test_where_a_key_is_set_nothing_is_done_without_it(settings: Settings) -> None:
    # Given an API with one key, and a run
    async with room_on(with_api(settings, key=SecretStr("right"))) as room, journalled(room):
        room.client.headers.update(bearer("right"))
        run_id = await room.start(HELLO)
        before = await room.dump()
        del room.client.headers["Authorization"]
        # When every address is tried without it, with a wrong one, and with one of another scheme
        for headers in ({}, bearer("wrong"), {"Authorization": "Basic cmlnaHQ="}, {"Authorization": "Bearer"}):
            for method, path in (
                ("GET", "/api/v1/runs"),
                ("GET", f"/api/v1/runs/{run_id}"),
                ("POST", f"/api/v1/runs/{run_id}/cancel"),
                ("POST", "/api/v1/runs"),
                ("PATCH", f"/api/v1/runs/{run_id}"),
                ("GET", "/metrics"),
                ("GET", "/openapi.json"),
                ("GET", "/nowhere"),
            ):
                answered = await room.client.request(method, path, headers=headers)
                # Then it is refused
                assert told(answered) == (401, "API007")
                assert answered.headers["www-authenticate"] == "Bearer"
        # And nothing has changed
        assert await room.dump() == before
        # While whoever watches the process needs no key
        for path in ("/healthz", "/readyz"):
            assert (await room.client.get(path)).status_code == 200


async def test_who_called_is_kept_with_what_they_did(settings: Settings, tmp_path: Path) -> None:
    # Given keys of two callers
    file = tmp_path / "keys"
    file.write_text(f"# callers\nann {QUICK.hash('a-key')}\n\nbob {QUICK.hash('b-key')}\n")
    async with room_on(with_api(settings, keys_file=file)) as room, journalled(room):
        # When each does something
        await room.post("/workflows", HELLO, headers=bearer("a-key"))
        started = await room.post("/runs", {"workflow": "hello"}, headers=bearer("b-key"))
        run_id = started.json()["run_id"]
        await room.post(f"/runs/{run_id}/pause", headers=bearer("b-key"))
        # Then it says who it was
        workflow = await room.get("/workflows/hello", headers=bearer("b-key"))
        events = await room.get(f"/runs/{run_id}/events", headers=bearer("a-key"))
        assert (workflow.json()["created_by"], events.json()["events"][1]["by"]) == ("ann", "bob")
        # And a key of one caller's requests means nothing in another's
        key = {"Idempotency-Key": "same"}
        first = await room.post("/runs", {"workflow": "hello"}, headers=bearer("a-key") | key)
        other = await room.post("/runs", {"workflow": "hello"}, headers=bearer("b-key") | key)
        assert first.json()["run_id"] != other.json()["run_id"]


async def test_a_key_is_hashed_once_and_then_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given hashed keys, and a count of how often one is worked out
    keys = HashedKeys({"ann": QUICK.hash("a-key"), "bob": QUICK.hash("b-key")})
    looked_up: list[str] = []
    look_up = keys._look_up
    monkeypatch.setattr(keys, "_look_up", lambda key: (looked_up.append(key), look_up(key))[1])
    # When right and wrong ones come again and again
    for _ in range(3):
        assert [await keys.caller(key) for key in ("a-key", "b-key", "", "c-key")] == ["ann", "bob", None, None]
    # Then each was worked out once, and none is kept in memory
    assert looked_up == ["a-key", "b-key", "", "c-key"]
    assert not any(b"key" in known for known in keys._known)


async def test_the_single_key_works_beside_a_file_of_keys(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"ann {QUICK.hash('a-key')}\n")
    keys = keys_of(with_api(settings, keys_file=file, key=SecretStr("one")))
    assert keys is not None
    assert [await keys.caller(key) for key in ("a-key", "one", "two")] == ["ann", "api-key", None]


@pytest.mark.parametrize(
    ("text", "line"),
    [("ann\n", 1), ("# c\nann plain-text\n", 2), (f"ann {QUICK.hash('x')}\nann {QUICK.hash('y')}\n", 2)],
)
def test_a_line_of_keys_that_cannot_be_used_is_named(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingsError, match=f"CFG010 .*line {line}: "):
        read_hashes(file)


async def test_without_keys_only_names_of_this_machine_are_answered(room: Room) -> None:
    for host in ("localhost", "localhost:8080", "127.0.0.1:1", "127.0.0.5", "[::1]:8080", "LOCALHOST"):
        assert (await room.get("/runs", headers={"Host": host})).status_code == 200, host
    for host in (
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        "[",
        "127.0.0.1.nip.io",
    ):
        assert told(await room.get("/runs", headers={"Host": host})) == (421, "API008"), host


async def test_without_keys_no_page_from_elsewhere_can_change_anything(room: Room) -> None:
    # Given a run
    run_id = await room.start(HELLO)
    before = await room.dump()
    # When a page of another origin sends what a form can send
    for origin in ("https://evil.example", "null", "http://localhost:9999"):
        answered = await room.post(f"/runs/{run_id}/cancel", headers={"Origin": origin})
        # Then it is refused
        assert told(answered) == (403, "API009")
    assert await room.dump() == before
    # While reading, and pages that the API itself serves, are let through
    assert (await room.get("/runs", headers={"Origin": "https://evil.example"})).status_code == 200
    own = await room.post(f"/runs/{run_id}/cancel", headers={"Origin": "http://localhost"})
    assert own.status_code == 200


async def test_no_answer_lets_a_foreign_page_read_it(room: Room) -> None:
    answered = await room.get("/runs", headers={"Origin": "https://evil.example"})
    assert not [name for name in answered.headers if name.startswith("access-control")]


async def test_with_a_key_the_api_answers_under_any_name(settings: Settings) -> None:
    async with room_on(with_api(settings, key=SecretStr("right"), host="0.0.0.0")) as room:
        headers = bearer("right") | {"Host": "pointsman.example"}
        assert (await room.get("/runs", headers=headers)).status_code == 200
