from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from pointsman.adapters.postgres import connect as module
from pointsman.adapters.postgres.connect import close, connect, open_pool, reaching_postgres
from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.postgres import EmbeddedPostgres
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(ServerUnavailable, match=r"SRV040 127\.0\.0\.1:1/there: Postgres cannot be used") as caught:
        await open_pool("postgresql://ann:geheim@127.0.0.1:1/there", name="test")
    assert "geheim" not in str(caught.value)


async def test_wrong_credentials_say_what_to_correct(postgres_dsn: str) -> None:
    parts = urlsplit(postgres_dsn)
    wrong = parts._replace(netloc=f"nobody:geheim@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(ServerUnavailable, match=r"SRV041 .*DATABASE_URL") as caught:
        await connect(wrong, name="test")
    assert "geheim" not in str(caught.value)


async def test_a_database_that_does_not_exist_is_said_so(postgres_dsn: str) -> None:
    with pytest.raises(ServerUnavailable, match=r"SRV041 .*no_such_database"):
        await connect(urlsplit(postgres_dsn)._replace(path="/no_such_database").geturl(), name="test")


async def test_a_server_of_an_old_version_is_refused(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST", 99)
    with pytest.raises(ServerUnavailable, match=r"SRV042 this Postgres is version \d\d, and Pointsman needs 99"):
        await open_pool(postgres_dsn, name="test")


async def test_a_mistake_of_our_own_is_not_taken_for_a_lost_server(pool: Pool) -> None:
    with pytest.raises(asyncpg.DataError), reaching_postgres():
        await pool.fetchval("SELECT $1::int", "one")


async def test_a_url_that_is_none_says_what_to_correct() -> None:
    with pytest.raises(ServerUnavailable, match=r"SRV041 .*DATABASE_URL"):
        await open_pool("postgresql://127.0.0.1:1/there?sslmode=perhaps", name="test")


async def answers(pool: Pool) -> bool:
    with reaching_postgres():
        return bool(await pool.fetchval("SELECT true"))


async def is_lost(pool: Pool) -> bool:
    with pytest.raises(ServerUnavailable, match="SRV040"):
        await answers(pool)
    return True


async def test_a_server_that_restarts_is_lost_and_then_back(tmp_path: Path) -> None:
    # Given a pool on a server
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        pool = await open_pool(server.dsn, name="test")
        # When the server goes away
        await asyncio.to_thread(server.kill)
        await eventually(lambda: is_lost(pool))
        # Then the same pool serves again once it is back
        await asyncio.to_thread(server.start)
        assert await answers(pool)
        await pool.close()


async def test_hanging_up_on_a_dead_server_is_no_error(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        connection = await connect(server.dsn, name="test")
        await asyncio.to_thread(server.kill)
        await close(connection)
        assert connection.is_closed()


async def test_what_was_committed_outlives_a_kill_though_the_server_would_forget_it(tmp_path: Path) -> None:
    # Given a server that by its own settings calls committed what it has not written yet
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        pool = await open_pool(server.dsn, name="test", size=1)
        connection = await connect(server.dsn, name="test")
        plain = await asyncpg.connect(server.dsn)
        assert await plain.fetchval("SHOW synchronous_commit") == "off"
        await pool.execute("CREATE TABLE kept (number int)")
        # When it is killed right after a commit on either kind of connection of ours, each used before
        await connection.execute("INSERT INTO kept VALUES (1)")
        await pool.execute("INSERT INTO kept VALUES (2)")
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        # Then both are there
        assert [row["number"] for row in await pool.fetch("SELECT number FROM kept ORDER BY number")] == [1, 2]
        await pool.close()
