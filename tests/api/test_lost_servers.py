"""Servers that are lost while the API runs: it says so, and goes on by itself when they are back."""

from __future__ import annotations

from pathlib import Path

from pointsman.adapters.postgres.migrate import migrate
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from tests.api.room import HELLO, Room, journalled, room_on, settings_of
from tests.support.servers import open_fence
from tests.support.waiting import eventually


async def accepts(room: Room) -> bool:
    return (await room.post("/runs", {"definition": HELLO})).status_code == 201


async def is_ready(room: Room) -> bool:
    return (await room.client.get("/readyz")).status_code == 200


async def test_the_api_comes_back_by_itself_after_each_server_was_lost(tmp_path: Path) -> None:
    # Given an API on servers of its own, and a run that has been journalled
    with EmbeddedPostgres(tmp_path / "postgres", fsync=False) as postgres, EmbeddedRedis(tmp_path / "redis") as redis:
        dsn = await postgres.create_database("api")
        await migrate(dsn)
        open_fence(redis.url)
        async with room_on(settings_of(dsn, redis.url, tmp_path)) as room:
            async with journalled(room):
                run_id = await room.start(HELLO)
                await room.journal(run_id, 1)
            # When Postgres is stopped
            postgres.stop()
            # Then nothing is accepted, and the caller is told to ask again
            refused = await room.post("/runs", {"definition": HELLO})
            assert (refused.status_code, refused.json()["code"]) == (503, "SRV040")
            assert (await room.get(f"/runs/{run_id}")).status_code == 503
            assert (await room.client.get("/readyz")).json()["reasons"]["postgres"].startswith("SRV040")
            assert (await room.client.get("/healthz")).status_code == 200
            # Until it is back
            postgres.start()
            await eventually(lambda: is_ready(room))
            assert await accepts(room)
            # When Redis is killed, runs are accepted and shown all the same, and commands are to be sent again
            redis.kill()
            assert await accepts(room)
            assert (await room.run(run_id))["nodes"]["greet"]["status"] == "dispatched"
            assert (await room.post(f"/runs/{run_id}/pause")).status_code == 503
            # Until it is back
            redis.start()
            open_fence(redis.url)
            await eventually(lambda: is_ready(room))
            async with journalled(room):
                assert (await room.post(f"/runs/{run_id}/pause")).status_code == 200
