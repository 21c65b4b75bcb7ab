"""Edits of all open runs of a version in Postgres: what is to be done, and what came of it, run by run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import asyncpg
import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis, RunId
from pointsman.edit import OnRunning

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from pointsman.adapters.postgres.connect import Connection, Pool

FleetStatus = Literal["running", "waiting", "stopped", "cancelled", "completed"]
"""waiting: the canary is done; stopped: too many errors. Both go on when they are resumed."""
ItemState = Literal["pending", "applying", "applied", "unchanged", "ended", "refused", "failed"]

ERRORS: Final[frozenset[ItemState]] = frozenset({"refused", "failed"})
_LOCK: Final = 0x666C6565
"""The first half of the key of the locks on edits; the second is a hash of the edit's id."""


class NewFleetEdit(msgspec.Struct, frozen=True):
    """What somebody asks of every open run of a version. `operations` is a JSON array."""

    id: str
    workflow: str
    version: int
    operations: msgspec.Raw
    description: str
    by: str
    on_running: OnRunning
    rate_per_s: float
    stop_on_error_share: float


class FleetEdit(NewFleetEdit, frozen=True):
    """The same, once it is written down."""

    runs: int
    """How many it is for."""
    reach: int
    """How many of them it may go to at the moment: those of the canary, or all."""
    status: FleetStatus
    decided: int
    """How many took or refused it since it began, or was resumed."""
    errors: int
    """How many of these did not take it."""
    created_at: Millis


class FleetItem(NamedTuple):
    """One run of an edit, in the order in which they get it."""

    position: int
    run_id: RunId
    state: ItemState
    revision: int | None
    """The one that the edit made, or that has it already."""
    code: str | None
    message: str | None
    decided_at: Millis | None


class Claimed(NamedTuple):
    """A run that is to be edited now."""

    position: int
    run_id: RunId
    tries: int
    """Which try this is. After the first the run may have the edit already."""


class Decision(NamedTuple):
    """What became of one run."""

    state: ItemState
    revision: int | None = None
    code: str | None = None
    message: str | None = None


class FleetEdits:
    """Edits of fleets. A run is claimed before it is touched, so that whoever comes after a crash knows it may be."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, edit: NewFleetEdit, canary_percent: float) -> FleetEdit:
        """Write an edit down, with a row for each run of its version that is open now."""
        with reaching_postgres():
            row = await self._pool.fetchrow(
                sql("add_fleet_edit"),
                edit.id,
                edit.workflow,
                edit.version,
                bytes(edit.operations).decode(),
                printable(edit.description),
                printable(edit.by),
                edit.on_running,
                edit.rate_per_s,
                edit.stop_on_error_share,
                canary_percent,
            )
        assert row is not None
        return _edit(row)

    async def get(self, edit: str) -> FleetEdit | None:
        """One edit."""
        with reaching_postgres():
            row = await self._pool.fetchrow(sql("get_fleet_edit"), edit)
        return _edit(row) if row else None

    async def open_runs(self, workflow: str, version: int, limit: int) -> tuple[int, list[RunId]]:
        """How many runs an edit would be for, and the first of them in its order."""
        with reaching_postgres():
            count = await self._pool.fetchval(sql("count_open_runs_of_version"), workflow, version)
            rows = await self._pool.fetch(sql("open_runs_of_version"), workflow, version, limit)
        return count, [row["run_id"] for row in rows]

    async def counts(self, edit: str) -> dict[ItemState, int]:
        """How many runs are in each state; states without any are left out."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("count_fleet_edit_items"), edit)
        return {row["state"]: row["count"] for row in rows}

    async def items(
        self, edit: str, *, state: ItemState | None = None, after: int = 0, limit: int = 100
    ) -> list[FleetItem]:
        """The runs of an edit behind a position, in order; with `state` only those in it."""
        with reaching_postgres():
            if state is None:
                rows = await self._pool.fetch(sql("fleet_edit_items"), edit, after, limit)
            else:
                rows = await self._pool.fetch(sql("fleet_edit_items_in_state"), edit, after, limit, state)
        return [FleetItem(*row) for row in rows]

    async def cancel(self, edit: str) -> bool:
        """Let no more runs be claimed, ever; False where the edit is over."""
        with reaching_postgres():
            return await self._pool.fetchval(sql("cancel_fleet_edit"), edit) is not None

    async def resume(self, edit: str, stop_on_error_share: float | None = None) -> bool:
        """Go on behind the canary, or behind what was too many errors; those that failed are tried again.

        False where the edit is over.
        """
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(sql("resume_fleet_edit"), edit, stop_on_error_share) is None:
                    return False
                await connection.execute(sql("retry_failed_fleet_items"), edit)
                return True

    async def to_do(self) -> list[str]:
        """The edits that somebody has to work on."""
        with reaching_postgres():
            return [row["id"] for row in await self._pool.fetch(sql("fleet_edits_to_do"))]

    @asynccontextmanager
    async def held(self, edit: str) -> AsyncIterator[HeldEdit | None]:
        """Hold an edit, as nobody else does at the time; None where somebody does.

        It is an advisory lock of one connection: it ends with the process, or with a minute in which it claims nothing.
        """
        with reaching_postgres():
            connection = await self._pool.acquire()
        try:
            with reaching_postgres():
                has = await connection.fetchval(sql("try_fleet_lock"), _LOCK, edit)
                await connection.execute(sql("bound_fleet_lock"))
            yield HeldEdit(edit, connection, self._pool) if has else None
        finally:
            with reaching_postgres():
                await self._give_back(connection)

    async def _give_back(self, connection: PoolConnectionProxy[asyncpg.Record]) -> None:
        """Return a connection to the pool without the lock, or not at all."""
        is_clean = False
        try:
            with suppress(ServerUnavailable), reaching_postgres():
                await connection.execute(sql("let_go_fleet_lock"))
                is_clean = True
        finally:
            if not is_clean:
                with suppress(asyncpg.InterfaceError):  # it has left the pool already
                    connection.terminate()
            await self._pool.release(connection)


class HeldEdit:
    """An edit in the hands of whoever works on it.

    Runs are claimed on the connection that holds the lock: who has lost the one claims nothing any more.
    """

    def __init__(self, edit: str, connection: Connection, pool: Pool) -> None:
        self._edit = edit
        self._connection = connection
        self._pool = pool

    async def in_hand(self) -> list[Claimed]:
        """What was claimed and not decided: by whoever held the edit before, and may have applied it or not."""
        with reaching_postgres():
            rows: Sequence[asyncpg.Record] = await self._connection.fetch(sql("fleet_items_in_hand"), self._edit)
        return [Claimed(*row) for row in rows]

    async def claim(self) -> Claimed | None:
        """The next run; None where there is none, or the edit may not go on."""
        with reaching_postgres():
            row = await self._connection.fetchrow(sql("claim_fleet_item"), self._edit)
        return Claimed(*row) if row else None

    async def decide(self, item: Claimed, decision: Decision) -> FleetStatus:
        """Write down what became of a run; the edit's status then."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._decided(connection, item, decision)

    async def put_back(self, item: Claimed) -> None:
        """Let a run that was claimed be claimed again: nothing was done to it."""
        with reaching_postgres():
            await self._pool.execute(sql("put_fleet_item_back"), self._edit, item.position)

    async def finish(self) -> None:
        """Note that there is nothing left that the edit may go to, if that is so."""
        with reaching_postgres():
            await self._connection.execute(sql("finish_fleet_edit"), self._edit)

    async def _decided(self, connection: Connection, item: Claimed, decision: Decision) -> FleetStatus:
        code, message = decision.code, decision.message
        told = printable(message) if message is not None else None
        decided = await connection.fetchval(
            sql("decide_fleet_item"), self._edit, item.position, decision.state, decision.revision, code, told
        )
        if decided is not None and decision.state != "ended":
            errors = int(decision.state in ERRORS)
            await connection.execute(sql("count_fleet_decision"), self._edit, errors)
        row = await connection.fetchrow(sql("get_fleet_edit"), self._edit)
        assert row is not None
        status: FleetStatus = row["status"]
        return status


def _edit(row: asyncpg.Record) -> FleetEdit:
    return FleetEdit(**{**row, "operations": msgspec.Raw(row["operations"].encode())})
