"""Bringing a database to the schema that this release knows: forward only, in order, once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pointsman.adapters.postgres.connect import close, connect, reaching_postgres
from pointsman.adapters.postgres.queries import sql
from pointsman.base.errors import ServerUnavailable

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection

_FILE = re.compile(r"(\d{4})_\w+\.sql")
_CONTRACT: Final = re.compile(r"^-- contract: (\d{4})$", re.MULTILINE)
_LOCK: Final = 0x706F696E7473  # any number, as long as every release uses the same


class Migration(NamedTuple):
    """One file of `migrations/`."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the text that was applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def oldest(self) -> int:
        """The oldest schema whose processes can go on beside it; 0, any, unless it takes something away."""
        found = _CONTRACT.search(self.text)
        return int(found[1]) if found else 0


class Applied(NamedTuple):
    """A migration as the database remembers it."""

    version: int
    name: str
    checksum: str
    oldest: int


def directory() -> Path:
    """Where the migrations are: inside the installed package, or at the root of a checkout."""
    installed = Path(__file__).with_name("migrations")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "migrations"


def known_migrations(place: Path | None = None) -> list[Migration]:
    """The migrations of this release, in order."""
    files = sorted((place or directory()).iterdir())
    return [Migration(int(found[1]), f.stem, f.read_text()) for f in files if (found := _FILE.fullmatch(f.name))]


async def migrate(dsn: str, known: Sequence[Migration] | None = None) -> list[str]:
    """Apply what the database lacks, all or nothing, and return the names of what was applied.

    Safe to run several times at once: the second waits for the first and then finds nothing to do.

    Raises:
        ServerUnavailable: SRV044 a newer release took away what this one uses; SRV045 what was applied is not what this
            release has.
    """
    known = known_migrations() if known is None else known
    connection = await connect(dsn, name="pointsman migrate", settings={"lock_timeout": "0", "statement_timeout": "0"})
    try:
        with reaching_postgres():
            async with connection.transaction():
                return await _apply_missing(connection, known)
    finally:
        await close(connection)


async def check_schema(connection: Connection, known: Sequence[Migration] | None = None) -> None:
    """Make sure that the database has this release's schema, or what a later one has made of it without taking away.

    Raises:
        ServerUnavailable: SRV043 migrations are missing; SRV044 and SRV045 as `migrate`.
    """
    known = known_migrations() if known is None else known
    with reaching_postgres():
        present = await connection.fetchval(sql("migrations_table_exists"))
        applied = await _applied(connection) if present else []
    _compare(applied, known)
    if len(applied) < len(known):
        raise ServerUnavailable(
            "SRV043",
            f"the database has {len(applied)} of the {len(known)} migrations that this release needs. Nothing was "
            "started. Run `pointsman migrate`.",
        )


async def _apply_missing(connection: Connection, known: Sequence[Migration]) -> list[str]:
    await connection.execute(sql("lock_migrations"), _LOCK, timeout=600)
    await connection.execute(sql("create_migrations_table"))
    await connection.execute(sql("extend_migrations_table"))
    applied = await _applied(connection)
    _compare(applied, known)
    missing = known[len(applied) :]
    for migration in missing:
        await connection.execute(migration.text, timeout=3600)
        told = (migration.version, migration.name, migration.checksum, migration.oldest)
        await connection.execute(sql("record_migration"), *told)
    return [migration.name for migration in missing]


async def _applied(connection: Connection) -> list[Applied]:
    return [Applied(*row) for row in await connection.fetch(sql("applied_migrations"))]


def _compare(applied: Sequence[Applied], known: Sequence[Migration]) -> None:
    """Refuse a database whose past is not the beginning of this release's list, or that a later one has cut down."""
    ours_last = known[-1].version if known else 0
    for later in applied[len(known) :]:
        if later.oldest > ours_last:
            raise ServerUnavailable(
                "SRV044",
                f"a newer release applied {later.name} to the database, which takes away what this one uses: it knows "
                f"the schema up to {ours_last:04}, and {later.oldest:04} is needed. Nothing was changed. Upgrade this "
                "installation.",
            )
    for there, ours in zip(applied, known, strict=False):
        if there[:3] != (ours.version, ours.name, ours.checksum):
            raise ServerUnavailable(
                "SRV045",
                f"the database was migrated by {there.name}, and this release's {ours.name} is not the same text. "
                "Nothing was changed. Install the release that this database belongs to.",
            )
