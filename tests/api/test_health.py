"""Whether the API can serve, and how it waits for servers that are not there yet."""

from __future__ import annotations

import pytest

from pointsman.adapters.postgres.connect import connect
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.errors import ServerUnavailable
from pointsman.settings import Settings
from tests.api.room import HELLO, Room, in_partitions, room_on, settings_of
from tests.support.processes import free_port
from tests.support.waiting import eventually


@in_partitions
async def test_the_process_is_ready_when_both_servers_answer(room: Room) -> None:
    answered = await room.client.get("/readyz")
    assert (answered.status_code, answered.json()) == (200, {"ready": True, "reasons": {}})
    assert (await room.client.get("/healthz")).json() == {"status": "ok"}


@in_partitions
async def test_the_process_is_not_ready_without_redis_and_says_so(room: Room) -> None:
    await room.services.live.partitions.aclose()
    answered = await room.client.get("/readyz")
    assert (answered.status_code, list(answered.json()["reasons"])) == (503, ["redis"])
    assert answered.json()["reasons"]["redis"].startswith("SRV002 ")


async def test_a_database_that_a_newer_release_has_cut_down_is_noticed(room: Room, database: str) -> None:
    # Given a database that a newer release has added to: no obstacle
    connection = await connect(database, name="test")
    await connection.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9998, '9998_more', 'x')")
    assert (await room.client.get("/readyz")).status_code == 200
    # When it takes away what this one uses
    cut = "INSERT INTO schema_migrations (version, name, checksum, oldest) VALUES (9999, '9999_less', 'x', 9998)"
    await connection.execute(cut)
    await connection.close()
    # Then this one is not ready
    answered = await room.client.get("/readyz")
    assert (answered.status_code, answered.json()["reasons"]["postgres"][:6]) == (503, "SRV044")


async def test_a_process_that_drains_is_not_ready(room: Room) -> None:
    room.service.drain.set()
    assert (await room.client.get("/readyz")).json()["reasons"] == {"service": "it is stopping"}


async def test_without_its_servers_the_api_starts_and_says_what_is_missing(settings: Settings) -> None:
    # Given addresses where nobody listens
    port = free_port()
    nobody = settings_of(f"postgresql://u@127.0.0.1:{port}/x", f"redis://127.0.0.1:{port}/0", settings.data_dir)
    async with room_on(nobody) as room:
        # Then the API answers all the same
        ready = await room.client.get("/readyz")
        assert {name: reason[:6] for name, reason in ready.json()["reasons"].items()} == {
            "postgres": "SRV040",
            "redis": "SRV001",
        }
        assert (await room.client.get("/healthz")).status_code == 200
        # And what needs them is to be asked again
        answered = await room.post("/runs", {"definition": HELLO})
        assert (answered.status_code, answered.headers["retry-after"]) == (503, "1")


async def test_the_api_is_ready_as_soon_as_a_server_that_was_missing_is_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a Redis that is not there at first
    opened = Partitions.open
    attempts = 0

    async def open_late(url: str, count: int) -> object:
        nonlocal attempts
        attempts += 1
        return await opened(url if attempts > 2 else f"redis://127.0.0.1:{free_port()}/0", count)

    monkeypatch.setattr(Partitions, "open", open_late)
    async with room_on(settings) as room:

        async def ready() -> bool:
            return (await room.client.get("/readyz")).status_code == 200

        # Then it is found once it is
        await eventually(ready)
        assert attempts == 3


async def test_a_server_that_will_never_do_keeps_the_api_from_starting(settings: Settings, database: str) -> None:
    # Given a database that lacks its migrations
    connection = await connect(database, name="test")
    await connection.execute("DELETE FROM schema_migrations")
    await connection.close()
    # Then the process does not start, and says why
    with pytest.raises(ServerUnavailable, match="SRV043"):
        async with room_on(settings):
            pass
