from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pointsman.adapters.postgres.connect import close, connect
from pointsman.adapters.postgres.migrate import Migration, check_schema, directory, known_migrations, migrate
from pointsman.base.errors import ServerUnavailable

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection

NAMES = [migration.name for migration in known_migrations()]
FIRST = Migration(1, "0001_first", "CREATE TABLE first (a int)")
BROKEN = Migration(2, "0002_broken", "CREATE TABLE second (a int); SELECT no_such_function()")

CATALOGUE = """
    SELECT 'column', c.table_name, c.column_name,
        concat_ws(' ', c.data_type, c.domain_name, c.is_nullable, c.column_default, c.is_identity, c.collation_name)
    FROM information_schema.columns AS c WHERE c.table_schema = 'public'
    UNION ALL
    SELECT 'constraint', coalesce(conrelid::regclass::text, contypid::regtype::text), conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'options', relname, '', array_to_string(reloptions, ' ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT 'function', proname, '', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1, 2, 3
"""


async def connection_to(dsn: str) -> Connection:
    return await connect(dsn, name="test")


async def catalogue(dsn: str) -> list[tuple[str, ...]]:
    connection = await connection_to(dsn)
    rows = [tuple(row) for row in await connection.fetch(CATALOGUE) if row[1] != "schema_migrations"]
    await close(connection)
    return rows


async def test_a_second_migration_finds_nothing_to_do(postgres_db: str) -> None:
    assert await migrate(postgres_db) == NAMES
    assert await migrate(postgres_db) == []


async def test_two_migrators_at_once_apply_each_migration_once(postgres_db: str) -> None:
    # When several begin at the same instant
    applied = await asyncio.gather(*(migrate(postgres_db) for _ in range(4)))
    # Then one of them did everything, and the others saw that
    assert sorted(applied) == [[], [], [], NAMES]


async def test_the_schema_file_is_the_sum_of_the_migrations(postgres_db: str, database: str) -> None:
    # Given a database made of schema.sql alone
    connection = await connection_to(postgres_db)
    await connection.execute((directory() / "schema.sql").read_text())
    await close(connection)
    # Then its catalogue is that of the migrated one
    assert await catalogue(postgres_db) == await catalogue(database)


async def test_a_migration_that_fails_leaves_nothing_behind(postgres_db: str) -> None:
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(postgres_db, [FIRST, BROKEN])
    assert await catalogue(postgres_db) == []


async def test_a_later_release_applies_only_what_is_missing(postgres_db: str) -> None:
    second = Migration(2, "0002_second", "CREATE TABLE second (a int)")
    await migrate(postgres_db, [FIRST])
    assert await migrate(postgres_db, [FIRST, second]) == ["0002_second"]


async def test_a_database_that_a_newer_release_has_only_added_to_is_used_as_it_is(postgres_db: str) -> None:
    # Given a database that two newer releases have migrated, the later of which drops what the first made
    second = Migration(2, "0002_second", "CREATE TABLE second (a int)")
    third = Migration(3, "0003_third", "-- contract: 0001\nDROP TABLE second")
    await migrate(postgres_db, [FIRST, second, third])
    before = await catalogue(postgres_db)
    # Then the release before goes on with it, and changes nothing
    assert await migrate(postgres_db, [FIRST]) == []
    connection = await connection_to(postgres_db)
    await check_schema(connection, [FIRST])
    await close(connection)
    assert await catalogue(postgres_db) == before


async def test_a_database_from_which_a_newer_release_took_what_is_used_is_refused(postgres_db: str) -> None:
    # Given a database that a newer release has cut down, for processes that know at least its second migration
    second = Migration(2, "0002_second", "CREATE TABLE second (a int)")
    third = Migration(3, "0003_third", "-- contract: 0002\nDROP TABLE first")
    await migrate(postgres_db, [FIRST, second, third])
    before = await catalogue(postgres_db)
    # Then one that does not neither migrates it nor starts on it
    with pytest.raises(ServerUnavailable, match=r"SRV044 .* 0003_third .* up to 0001, and 0002 is needed"):
        await migrate(postgres_db, [FIRST])
    connection = await connection_to(postgres_db)
    with pytest.raises(ServerUnavailable, match="SRV044"):
        await check_schema(connection, [FIRST])
    # And one that does goes on
    await check_schema(connection, [FIRST, second])
    await close(connection)
    assert await catalogue(postgres_db) == before


async def test_a_database_of_before_there_were_contracts_is_read_and_migrated(postgres_db: str) -> None:
    # Given a database whose list of migrations has no column for them
    await migrate(postgres_db, [FIRST])
    connection = await connection_to(postgres_db)
    await connection.execute("ALTER TABLE schema_migrations DROP COLUMN oldest")
    # When it is looked at, then it is as it should be, and goes on from there
    await check_schema(connection, [FIRST])
    await close(connection)
    second = Migration(2, "0002_second", "CREATE TABLE second (a int)")
    assert await migrate(postgres_db, [FIRST, second]) == ["0002_second"]


async def test_a_migration_that_was_edited_afterwards_is_refused(postgres_db: str) -> None:
    await migrate(postgres_db, [FIRST])
    with pytest.raises(ServerUnavailable, match=r"SRV045 .*0001_first.* not the same text"):
        await migrate(postgres_db, [FIRST._replace(text="CREATE TABLE first (b int)")])


async def test_a_database_without_the_schema_is_named_as_such(postgres_db: str, database: str) -> None:
    connection = await connection_to(postgres_db)
    with pytest.raises(ServerUnavailable, match=r"SRV043 .*0 of the \d+ migrations.*Run `pointsman migrate`"):
        await check_schema(connection)
    await close(connection)
    # While one that has it is let pass
    connection = await connection_to(database)
    await check_schema(connection)
    await close(connection)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in known_migrations()] == list(range(1, len(NAMES) + 1))
