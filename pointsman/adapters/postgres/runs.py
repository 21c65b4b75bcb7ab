"""Runs in Postgres: accepted here before anything else, read here once they are final."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.idempotency import Request
from pointsman.adapters.postgres.projection import data_of, json_of
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.protocol.output import Output, output_of
from pointsman.protocol.state import ErrorInfo, RunStatus

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool


class NewRun(msgspec.Struct, frozen=True):
    """What a run is accepted with: all that starting it needs, whoever does so in the end."""

    run_id: RunId
    workflow: str
    version: int | None
    """None: the definition came with the request, under no version."""
    definition: Digest
    plan: Digest
    engine: str
    input: Output
    metadata: Any
    created_at: Millis


class RunRow(msgspec.Struct, frozen=True):
    """A run as Postgres knows it. `seq` is that of the last event that changed the row, not of the last event."""

    run_id: RunId
    workflow: str
    version: int | None
    definition: Digest
    plan: Digest
    engine: str
    status: RunStatus
    revision: int
    seq: int
    input: Output
    output: Output
    error: ErrorInfo | None
    metadata: Any
    created_at: Millis
    started_at: Millis | None
    ended_at: Millis | None


class Acceptance(NamedTuple):
    """What became of a start request.

    accepted: the run is new. repeated: the same request came before, and `run` is the one it made. key_reused: that
    key came with another request. run_exists: that run id is taken.
    """

    outcome: Literal["accepted", "repeated", "key_reused", "run_exists"]
    run: RunRow | None = None


class Cursor(NamedTuple):
    """A place in a list of runs: behind this one."""

    created_at: int
    run_id: str


NEWEST = Cursor(2**63 - 1, "")
OLDEST = Cursor(-1, "")


class Runs:
    """The runs ever accepted."""

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
        after: Cursor = NEWEST,
        limit: int = 100,
    ) -> list[RunRow]:
        """Runs behind a cursor, newest first."""
        wanted = [value for value in (status, workflow) if value is not None]
        with reaching_postgres():
            rows = await self._pool.fetch(_listing(status, workflow), *after, limit, *wanted)
        return [_run(row) for row in rows]

    async def accepted_not_started(
        self, older_than: Millis, *, after: Cursor = OLDEST, limit: int = 100
    ) -> list[RunRow]:
        """Runs accepted at or before `older_than` of which the journal has no event yet, oldest first."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("accepted_not_started"), older_than, *after, limit)
        return [_run(row) for row in rows]

    async def final(self, runs: Sequence[RunId]) -> set[RunId]:
        """Those of `runs` whose row is final."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("final_runs"), runs)
        return {row["run_id"] for row in rows}

    async def quiet(self, since: Millis, *, after: Cursor = OLDEST, limit: int = 500) -> list[Cursor]:
        """RUNNING runs whose last event is of `since` or older, oldest run first, each as the cursor behind it."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("quiet_runs"), since, *after, limit)
        return [Cursor(row["created_at"], row["run_id"]) for row in rows]


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
    )
    if row is None:
        return Acceptance("run_exists", await _get(connection, run.run_id))
    return Acceptance("accepted", _run(row))


async def _accept_once(connection: Connection, run: NewRun, request: Request) -> Acceptance:
    async with connection.transaction():
        if await connection.fetchval(sql("claim_key"), *request) is None:
            return await _accepted_before(connection, request)
        answer = await _accept(connection, run)
        if answer.outcome == "accepted":
            await connection.execute(sql("answer_key"), request.scope, request.key, run.run_id.encode())
        else:
            await connection.execute(sql("release_key"), request.scope, request.key)
        return answer


async def _accepted_before(connection: Connection, request: Request) -> Acceptance:
    earlier = await connection.fetchrow(sql("get_key"), request.scope, request.key)
    assert earlier is not None, "a claim that fails has met a committed one"
    if earlier["request"] != request.digest:
        return Acceptance("key_reused")
    return Acceptance("repeated", await _get(connection, RunId(earlier["response"].decode())))


async def _get(connection: Connection, run: RunId) -> RunRow | None:
    row = await connection.fetchrow(sql("get_run"), run)
    return _run(row) if row else None


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


def _run(row: asyncpg.Record) -> RunRow:
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
    )
