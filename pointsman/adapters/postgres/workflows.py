"""Workflows and their versions in Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest, Millis, RunId

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool

_NEWEST = 2**31 - 1


class WorkflowVersion(msgspec.Struct, frozen=True):
    """A published definition. It never changes."""

    workflow: str
    version: int
    definition: Digest
    plan: Digest
    created_at: Millis
    created_by: str
    description: str = ""
    from_run: RunId | None = None
    """The run whose edited definition it is, at `from_revision`."""
    from_revision: int | None = None


class Workflows:
    """Named definitions, each version of them for ever."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def publish(self, name: str, definition: Digest, plan: Digest, by: str) -> tuple[WorkflowVersion, bool]:
        """Make a definition (stored before, see `Documents`) the newest version; False where it is that already."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(sql("lock_workflow"), name)
                latest = await connection.fetchrow(sql("latest_workflow_version"), name)
                if latest and (latest["definition"], latest["plan"]) == (definition, plan):
                    return WorkflowVersion(*latest), False
                return await _added(connection, name, definition, plan, by), True

    async def promote(
        self, name: str, definition: Digest, plan: Digest, by: str, description: str, run: RunId, revision: int
    ) -> tuple[WorkflowVersion, bool]:
        """Make the definition of a run the newest version; False where some version is that already."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(sql("lock_workflow"), name)
                for row in await connection.fetch(sql("workflow_versions_of_plan"), name, plan):
                    if row["definition"] == definition:
                        return WorkflowVersion(*row), False
                origin = printable(description), run, revision
                return await _added(connection, name, definition, plan, by, *origin), True

    async def of_plan(self, name: str, plan: Digest) -> list[WorkflowVersion]:
        """The versions of a workflow that compile to a plan, newest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("workflow_versions_of_plan"), name, plan)
        return [WorkflowVersion(*row) for row in rows]

    async def get(self, name: str, version: int | None = None) -> WorkflowVersion | None:
        """One version; the newest where none is asked for."""
        with reaching_postgres():
            if version is None:
                row = await self._pool.fetchrow(sql("latest_workflow_version"), name)
            else:
                row = await self._pool.fetchrow(sql("get_workflow_version"), name, version)
        return WorkflowVersion(*row) if row else None

    async def newest(self, *, after: str = "", limit: int = 100) -> list[WorkflowVersion]:
        """The newest version of each workflow with a name behind `after`, by name."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("list_workflows"), after, limit)
        return [WorkflowVersion(*row) for row in rows]

    async def versions(self, name: str, *, before: int = _NEWEST, limit: int = 100) -> list[WorkflowVersion]:
        """The versions of a workflow below `before`, newest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("list_workflow_versions"), name, before, limit)
        return [WorkflowVersion(*row) for row in rows]


async def _added(
    connection: Connection,
    name: str,
    definition: Digest,
    plan: Digest,
    by: str,
    description: str = "",
    run: RunId | None = None,
    revision: int | None = None,
) -> WorkflowVersion:
    """The next version. The caller holds the workflow's lock."""
    latest = await connection.fetchrow(sql("latest_workflow_version"), name)
    version = latest["version"] + 1 if latest else 1
    await connection.execute(sql("raise_latest_version"), name, version)
    row = await connection.fetchrow(
        sql("add_workflow_version"), name, version, definition, plan, by, description, run, revision
    )
    assert row is not None
    return WorkflowVersion(*row)
