"""Connections to Postgres, and one error for every way of not having one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import asyncpg

from pointsman.adapters.postgres.queries import sql
from pointsman.base.errors import ServerUnavailable

if TYPE_CHECKING:
    from typing import TypeAlias

    from asyncpg.pool import PoolConnectionProxy

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

OLDEST: Final = 14
"""`idle_session_timeout`, which ends the lease of a writer that hangs, came with 14."""

_DURABLE: Final = {"synchronous_commit": "on"}
"""Set by every connection for itself, whatever server, database or role say: with `off`, a server that is killed has
forgotten what it called committed, and an answered request or a journalled event would be gone without a word."""
_BY_SERVER: Final = ("fsync", "full_page_writes")
"""For the server as a whole: no connection can set them."""
_CONNECT_SECONDS = 10.0
_COMMAND_SECONDS = 30.0

_LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
)
_REFUSED = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)


@contextmanager
def reaching_postgres() -> Iterator[None]:
    """Raise `ServerUnavailable` for whatever means that Postgres is not there to answer.

    Raises:
        ServerUnavailable: SRV040 it is gone, going, full, or read-only; SRV041 it does not let us in.
    """
    try:
        yield
    except _REFUSED as error:
        raise ServerUnavailable(
            "SRV041",
            f"Postgres does not let us in: {error}. Nothing was read or written. Correct user, password or database "
            "in DATABASE_URL, or create what is missing on the server.",
        ) from error
    except _LOST as error:
        raise ServerUnavailable(
            "SRV040",
            f"Postgres cannot be used at the moment: {error or type(error).__name__}. What was being written is "
            "either there whole or not at all, and is tried again. Look after the server.",
        ) from error


class _Pooled(asyncpg.Connection):
    """A connection that goes back to its pool as it is, but for an open transaction.

    What asyncpg would reset is a round trip for each query, and nobody who borrows a connection changes its session,
    but for the holder of a fleet edit, who undoes it.
    """

    def get_reset_query(self) -> str:
        return ""


async def open_pool(dsn: str, *, name: str, size: int = 10) -> Pool:
    """A pool of at most `size` connections; `name` shows in `pg_stat_activity`. One was opened, so the server is there.

    Raises:
        ServerUnavailable: As `reaching_postgres`, naming the server; SRV042 it is too old.
    """
    try:
        with reaching_postgres():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=0,  # with more, asyncpg logs a traceback a second while the server is away
                max_size=size,
                connection_class=_Pooled,
                timeout=_CONNECT_SECONDS,
                command_timeout=_COMMAND_SECONDS,
                server_settings={"application_name": name, **_DURABLE},
            )
            async with pool.acquire() as connection:
                version = connection.get_server_version().major
    except ServerUnavailable as error:
        raise _naming(dsn, error) from error
    if version < OLDEST:
        await pool.close()
        raise _too_old(version)
    return pool


async def connect(dsn: str, *, name: str, settings: Mapping[str, str] | None = None) -> Connection:
    """One connection of its own. Raises as `open_pool` does."""
    try:
        with reaching_postgres():
            return await asyncpg.connect(
                dsn,
                timeout=_CONNECT_SECONDS,
                command_timeout=_COMMAND_SECONDS,
                server_settings={"application_name": name, **_DURABLE, **(settings or {})},
            )
    except ServerUnavailable as error:
        raise _naming(dsn, error) from error


async def not_durable(connection: Connection) -> list[str]:
    """Settings of the server that let it lose what it has committed, as they are, if the machine goes down."""
    with reaching_postgres():
        rows = await connection.fetch(sql("settings_that_are_off"), list(_BY_SERVER))
    return [row["name"] for row in rows]


async def close(connection: Connection) -> None:
    """Hang up, politely if the server still listens."""
    try:
        with reaching_postgres():
            await connection.close(timeout=1)
    except ServerUnavailable:
        connection.terminate()


def _naming(dsn: str, error: ServerUnavailable) -> ServerUnavailable:
    parts = urlsplit(dsn)
    where = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    return ServerUnavailable(error.code, f"{where}: {error.message}")


def _too_old(version: int) -> ServerUnavailable:
    return ServerUnavailable(
        "SRV042",
        f"this Postgres is version {version}, and Pointsman needs {OLDEST} or later. Nothing was read or written. "
        "Upgrade the server.",
    )
