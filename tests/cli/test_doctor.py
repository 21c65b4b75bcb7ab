"""`doctor` and `migrate`: whether what Pointsman stands on is as it must be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pointsman.adapters.postgres.migrate import known_migrations
from tests.cli.conftest import Dev, Said, call
from tests.supervisor.spread import spread_over
from tests.support.databases import database, migrated_template
from tests.support.processes import started
from tests.support.waiting import eventually

__all__ = ["database", "migrated_template"]


def statuses(said: Said) -> dict[str, str]:
    return {check["check"]: check["status"] for check in said.json["checks"]}


def details(said: Said) -> dict[str, str]:
    return {check["check"]: check["detail"] for check in said.json["checks"]}


def test_a_machine_that_runs_dev_is_found_healthy(dev: Dev) -> None:
    # When the doctor is asked where nothing but dev.json names servers
    said = call("doctor", "--json", POINTSMAN_DATA_DIR=str(dev.data_dir))
    # Then all is well, and it says what was looked at
    assert (said.code, said.json["healthy"]) == (0, True)
    names = ("python", "settings", "redis", "postgres", "partitions", "cel", "blobs", "disk")
    assert statuses(said) == dict.fromkeys(names, "ok")
    assert details(said)["redis"].endswith(", AOF on")
    assert "no eviction, epoch " in details(said)["redis"]


def test_a_table_is_shown_to_people(dev: Dev) -> None:
    said = call("doctor", POINTSMAN_DATA_DIR=str(dev.data_dir))
    assert [line.split()[:2] for line in said.out.splitlines()][:3] == [
        ["✔", "python"],
        ["✔", "settings"],
        ["✔", "redis"],
    ]


def test_servers_that_are_not_there_are_named(tmp_path: Path) -> None:
    said = call(
        "doctor",
        "--json",
        REDIS_URL="redis://127.0.0.1:1/0",
        DATABASE_URL="postgresql://127.0.0.1:1/x",
        POINTSMAN_DATA_DIR=str(tmp_path),
    )
    assert (said.code, said.json["healthy"]) == (1, False)
    assert {name for name, status in statuses(said).items() if status == "failed"} == {
        "redis",
        "postgres",
        "partitions",
    }
    assert details(said)["redis"].startswith("SRV001 Redis at 127.0.0.1:1 cannot be reached")
    assert details(said)["postgres"].startswith("SRV040 127.0.0.1:1/x: ")


def test_settings_that_contradict_each_other_are_found(tmp_path: Path) -> None:
    said = call("doctor", "--json", REDIS_URL="redis://one:1/0", REDIS_HOST="two", POINTSMAN_DATA_DIR=str(tmp_path))
    assert (said.code, statuses(said)) == (1, {"python": "ok", "settings": "failed"})


def test_a_database_without_the_schema_is_found_and_migrated(postgres_db: str, redis_db: str, tmp_path: Path) -> None:
    environment: dict[str, Any] = {
        "DATABASE_URL": postgres_db,
        "REDIS_URL": redis_db,
        "POINTSMAN_DATA_DIR": str(tmp_path),
    }
    # Given an empty database, which the doctor finds wanting
    found = call("doctor", "--json", **environment)
    assert details(found)["postgres"].startswith("SRV043 ")
    # When it is migrated, twice
    first, second = (call("migrate", "--json", **environment) for _ in range(2))
    # Then the first did everything, the second had nothing to do, and the doctor is content
    names = [migration.name for migration in known_migrations()]
    assert (first.json, second.json) == (
        {"applied": names, "known": len(names)},
        {"applied": [], "known": len(names)},
    )
    healthy = call("doctor", "--json", **environment)
    assert details(healthy)["partitions"] == "1, and no supervisor has opened any yet"
    # But for what the servers of tests are spared
    assert (healthy.json["healthy"], statuses(healthy)["postgres"]) == (True, "warning")
    assert details(healthy)["postgres"].split("; ")[1:] == [
        "fsync is off: the journal loses what it has committed if the machine goes down",
        "full_page_writes is off: a machine that goes down may leave the database torn",
    ]


async def test_partitions_that_are_closed_or_of_another_number_are_named(
    database: str, redis_db: str, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {
        "DATABASE_URL": database,
        "REDIS_URL": redis_db,
        "POINTSMAN_DATA_DIR": str(tmp_path),
        "POINTSMAN_PARTITIONS": "4",
    }

    async def partitions(**settings: str) -> tuple[str, str]:
        said = await asyncio.to_thread(call, "doctor", "--json", **{**environment, **settings})
        return statuses(said)["partitions"], details(said)["partitions"]

    async with spread_over(4, database, redis_db) as spread:
        # Given four partitions that a supervisor has opened, one of which loses what it has
        async with started("supervisor", **environment):
            await eventually(spread.is_open)
        assert await partitions() == ("ok", "4, open")
        await spread.lose(2)
        # Then the doctor names that one
        assert (await partitions())[0] == "warning"
        assert (await partitions())[1].startswith("of 4 these take no change until a supervisor has recovered them: 2.")
        # And another number of partitions is refused, unless Redis is empty
        status, told = await partitions(POINTSMAN_PARTITIONS="8")
        assert (status, told[:30]) == ("failed", "SRV065 POINTSMAN_PARTITIONS is")
        await spread.partitions.public.ask("FLUSHDB")
        assert await partitions(POINTSMAN_PARTITIONS="8") == (
            "warning",
            "there were 4, of which Redis holds nothing: the next supervisor opens 8",
        )


def test_migrate_without_a_database_says_which_setting() -> None:
    said = call("migrate")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error CFG003 DATABASE_URL is not set")
