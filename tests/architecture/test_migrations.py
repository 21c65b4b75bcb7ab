"""Migrations expand; what they take away, a later release takes away (`migrations/README.md`)."""

from __future__ import annotations

import re
from typing import Final

import pytest

from pointsman.adapters.postgres.migrate import Migration, directory, known_migrations

TAKES_AWAY: Final = (
    r"\bDROP\s+(TABLE|COLUMN|TYPE|DOMAIN|VIEW|FUNCTION|TRIGGER|SCHEMA|SEQUENCE)\b",
    r"\bRENAME\b",
    r"\bALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE\b",
    r"\bSET\s+NOT\s+NULL\b",
    r"\bDROP\s+DEFAULT\b",
    r"\bADD\s+COLUMN\s+(?:IF\s+NOT\s+EXISTS\s+)?(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL\b",
    r"\bTRUNCATE\b",
)
"""What a process of the release before would stumble over."""


def objections(migration: Migration, released: int) -> list[str]:
    """What is wrong with a migration, the last one released before being number `released`."""
    text = re.sub(r"--[^\n]*|'[^']*'", "", migration.text)
    found = [hit[0] for pattern in TAKES_AWAY for hit in re.finditer(pattern, text, re.IGNORECASE)]
    if not found:
        return []
    if not migration.oldest:
        return [f"{migration.name} takes something away and has no `-- contract:` line: {told}" for told in found]
    if migration.oldest > released or migration.oldest >= migration.version:
        return [f"{migration.name} names {migration.oldest:04}, and {released:04} is the last that was released"]
    return []


def releases() -> list[int]:
    """The last migration of each release, in order."""
    text = (directory() / "README.md").read_text()
    return [int(number) for number in re.findall(r"^\| \d+\.\d+\.\d+ \| (\d{4}) \|$", text, re.MULTILINE)]


def released_before(version: int) -> int:
    """The last migration of the release before the one that migration `version` came with."""
    return max((last for last in releases() if last < version), default=0)


def test_no_migration_takes_away_what_the_release_before_uses() -> None:
    found = [told for one in known_migrations() for told in objections(one, released_before(one.version))]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE runs;",
        "ALTER TABLE runs DROP COLUMN tag;",
        "ALTER TABLE runs RENAME COLUMN tag TO label;",
        "ALTER TABLE runs RENAME TO executions;",
        "ALTER TABLE runs ALTER COLUMN seq TYPE bigint;",
        "ALTER TABLE runs ALTER COLUMN tag SET NOT NULL;",
        "ALTER TABLE runs ALTER COLUMN tag DROP DEFAULT;",
        "ALTER TABLE runs ADD COLUMN owner text NOT NULL;",
        "alter table runs\n  add column a int not null default 0, add column b int not null;",
        "DROP FUNCTION note_blobs();",
    ],
)
def test_a_migration_that_takes_something_away_is_refused(statement: str) -> None:
    assert objections(Migration(9, "0009_sample", statement), released=8)
    # Unless a release has gone by in which nothing used it
    assert objections(Migration(9, "0009_sample", f"-- contract: 0009\n{statement}"), released=8)
    assert not objections(Migration(9, "0009_sample", f"-- contract: 0008\n{statement}"), released=8)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (a int NOT NULL);",
        "ALTER TABLE runs ADD COLUMN owner text NOT NULL DEFAULT '', ADD COLUMN note text;",
        "ALTER TABLE runs DROP CONSTRAINT runs_check;",
        "DROP INDEX runs_by_end;",
        "-- DROP TABLE runs;\nSELECT 'DROP TABLE runs';",
    ],
)
def test_a_migration_that_only_adds_is_let_pass(statement: str) -> None:
    assert objections(Migration(9, "0009_sample", statement), released=0) == []
