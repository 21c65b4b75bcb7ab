"""Databases with the schema in place: a template is migrated once a session, and each test gets a copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.migrate import migrate
from pointsman.embedded.databases import create_database, drop_database

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool


@pytest.fixture(scope="session")
def migrated_template(postgres_dsn: str) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to."""
    name = f"template_{uuid4().hex}"
    dsn = asyncio.run(create_database(postgres_dsn, name))
    asyncio.run(migrate(dsn))
    yield name
    asyncio.run(drop_database(postgres_dsn, name))


@pytest.fixture
async def database(postgres_dsn: str, migrated_template: str) -> AsyncIterator[str]:
    """The DSN of a migrated, otherwise empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    yield await create_database(postgres_dsn, name, template=migrated_template)
    await drop_database(postgres_dsn, name)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool of connections to `database`."""
    pool = await open_pool(database, name="test", size=5)
    yield pool
    await pool.close()
