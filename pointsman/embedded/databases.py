"""Databases made and dropped on a Postgres server, embedded or not."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import asyncpg


async def create_database(server_dsn: str, name: str, *, template: str = "template1") -> str:
    """Create a database as a copy of `template`, to which nobody may be connected, and return its DSN."""
    await _run(server_dsn, "CREATE DATABASE %I TEMPLATE %I", name, template)
    return urlsplit(server_dsn)._replace(path=f"/{quote(name, safe='')}").geturl()


async def drop_database(server_dsn: str, name: str) -> None:
    """Drop a database, hanging up on whoever is connected to it; nothing happens when there is none."""
    await _run(server_dsn, "DROP DATABASE IF EXISTS %I WITH (FORCE)", name)


async def _run(server_dsn: str, statement: str, *identifiers: str) -> None:
    """Run a statement that takes no parameters where these names stand; the server itself quotes them."""
    connection = await asyncpg.connect(server_dsn)
    try:
        quoted = await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", statement, identifiers)
        await connection.execute(quoted)
    finally:
        await connection.close()
