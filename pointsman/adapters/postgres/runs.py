"""Runs in Postgres: accepted here before anything else, read here once they are final."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import data_of, json_of
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest, Millis, RunId, crc_of
from pointsman.ports.run_index import NEWEST, OLDEST, Acceptance, Cursor, NewRun, QuietRun, Request, RunRow
from pointsman.protocol.output import output_of
from pointsman.protocol.state import ErrorInfo, Fork, RunStatus

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool


class Runs:
    """See `pointsman.ports.run_index.RunIndex`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def accept(self, run: NewRun, request: Request | None = None) -> Acceptance:
        """Write a run down as QUEUED: from now on it will run, whoever dies next.

        Its definition and plan are stored before. With `request`, the same request again is answered with the run that
        the first one made.
        """
        with reaching_postgres():
            async with self._pool.acquire() as connection:
                return await _accept_once(connection, run, request) if request else await _accept(connection, run)

    async def accepted_before(self, request: Request) -> Acceptance | None:
        """What `accept` would answer to a request that came before; None for a new one."""
        with reaching_postgres():
            async with self._pool.acquire() as connection:
                return await _accepted_before(connection, request)

    async def get(self, run: RunId) -> RunRow | None:
        """One run."""
        with reaching_postgres():
            async with self._pool.acquire() as connection:
                return await _get(connection, run)

    async def page(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        forked_from: RunId | None = None,
        after: Cursor = NEWEST,
        limit: int = 100,
    ) -> list[RunRow]:
        """Runs behind a cursor, newest first."""
        wanted = [value for value in (status, workflow) if value is not None]
        with reaching_postgres():
            if forked_from is not None:
                rows = await self._pool.fetch(sql("list_forks"), *after, limit, forked_from, status, workflow)
            else:
                rows = await self._pool.fetch(_listing(status, workflow), *after, limit, *wanted)
        return [row_of(row) for row in rows]

    async def tenants_waiting(self) -> list[str]:
        """The tenants of whom a run is QUEUED."""
        with reaching_postgres():
            return [row["tenant"] for row in await self._pool.fetch(sql("tenants_waiting"))]

    async def queued(self, tenant: str, limit: int) -> int:
        """How many runs of a tenant are QUEUED, counted up to `limit`."""
        with reaching_postgres():
            found: int = await self._pool.fetchval(sql("queued_runs_of_tenant"), tenant, limit)
        return found

    async def accepted_not_started(
        self,
        older_than: Millis,
        tenant: str,
        *,
        after: Cursor = OLDEST,
        limit: int = 100,
        without: Collection[Digest] = (),
    ) -> list[NewRun]:
        """A tenant's runs accepted at or before `older_than` of which the journal has no event yet, oldest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("accepted_not_started"), tenant, older_than, *after, limit, list(without))
        return [_new_run(row) for row in rows]

    async def final(self, runs: Sequence[RunId]) -> set[RunId]:
        """Those of `runs` whose row is final."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("final_runs"), runs)
        return {row["run_id"] for row in rows}

    async def quiet(self, since: Millis, *, after: Cursor = OLDEST, limit: int = 500) -> list[QuietRun]:
        """RUNNING runs whose last event is of `since` or older, oldest run first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("quiet_runs"), since, *after, limit)
        return [QuietRun(Cursor(row["created_at"], row["run_id"]), row["seq"]) for row in rows]


async def _accept(connection: Connection, run: NewRun) -> Acceptance:
    row = await connection.fetchrow(
        sql("accept_run"),
        run.run_id,
        run.workflow,
        run.version,
        run.definition,
        run.plan,
        run.engine,
        data_of(run.input),
        run.input.ref,
        json_of(run.metadata),
        run.created_at,
        run.tag,
        None if run.forked is None else run.forked.run_id,
        json_of(run.forked),
        run.tenant,
        crc_of(run.run_id),
    )
    if row is None:
        return Acceptance("run_exists", await _get(connection, run.run_id))
    return Acceptance("accepted", row_of(row))


async def _accept_once(connection: Connection, run: NewRun, request: Request) -> Acceptance:
    async with connection.transaction():
        if await connection.fetchval(sql("claim_key"), *request) is None:
            repeated = await _accepted_before(connection, request)
            assert repeated is not None, "a claim that fails has met a committed one"
            return repeated
        answer = await _accept(connection, run)
        if answer.outcome == "accepted":
            await connection.execute(sql("answer_key"), request.scope, request.key, run.run_id.encode())
        else:
            await connection.execute(sql("release_key"), request.scope, request.key)
        return answer


async def _accepted_before(connection: Connection, request: Request) -> Acceptance | None:
    earlier = await connection.fetchrow(sql("get_key"), request.scope, request.key)
    if earlier is None:
        return None
    if earlier["request"] != request.digest:
        return Acceptance("key_reused")
    return Acceptance("repeated", await _get(connection, RunId(earlier["response"].decode())))


async def _get(connection: Connection, run: RunId) -> RunRow | None:
    row = await connection.fetchrow(sql("get_run"), run)
    return row_of(row) if row else None


def _listing(status: RunStatus | None, workflow: str | None) -> str:
    match status is not None, workflow is not None:
        case True, True:
            return sql("list_runs_by_status_and_workflow")
        case True, False:
            return sql("list_runs_by_status")
        case False, True:
            return sql("list_runs_by_workflow")
        case _:
            return sql("list_runs")


def _new_run(row: asyncpg.Record) -> NewRun:
    run = row_of(row)
    return NewRun(**{name: getattr(run, name) for name in NewRun.__struct_fields__})


def row_of(row: asyncpg.Record) -> RunRow:
    """A row of the table `runs`."""
    return RunRow(
        run_id=row["run_id"],
        workflow=row["workflow"],
        version=row["version"],
        definition=row["definition"],
        plan=row["plan"],
        engine=row["engine"],
        status=row["status"],
        revision=row["revision"],
        seq=row["seq"],
        input=output_of(row["input"] or b"", row["input_ref"]),
        output=output_of(row["output"] or b"", row["output_ref"]),
        error=msgspec.json.decode(row["error"], type=ErrorInfo) if row["error"] else None,
        metadata=msgspec.json.decode(row["metadata"]) if row["metadata"] else None,
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        tag=row["tag"],
        forked=msgspec.json.decode(row["fork"], type=Fork) if row["fork"] else None,
        tenant=row["tenant"],
    )
