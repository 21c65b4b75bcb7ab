"""Tags in Postgres: names for versions of a workflow, moved from one to another, each move written down for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from pointsman.adapters.postgres.connect import reaching_postgres
from pointsman.adapters.postgres.projection import printable
from pointsman.adapters.postgres.queries import sql
from pointsman.base.ids import Millis

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Connection, Pool

_NEWEST: Final = 2**31 - 1


class TagMove(msgspec.Struct, frozen=True):
    """A tag was put to a version, or taken away (`version` is None)."""

    tag: str
    number: int
    """Of the tag's moves, from 1."""
    version: int | None
    in_force: int
    """The move that this leaves in force: itself, or an earlier one where it takes moves back."""
    at: Millis
    by: str
    reason: str


class PastMove(msgspec.Struct, frozen=True):
    """A move, and the version that the tag came from."""

    move: TagMove
    moved_from: int | None


class Order(NamedTuple):
    """Who moves a tag, why, and after which of its moves alone (0: before the first; None: whichever was the last)."""

    by: str
    reason: str = ""
    only_after: int | None = None


class Moved(NamedTuple):
    """What became of an order.

    moved: as `move` says. unchanged: it was there already, by `move`. overtaken: the last move is another than the
    order allows; `move` is it, None where the tag never was. missing: there is no such tag. nowhere: there is nothing
    to go back to. no_version: the workflow has no such version.
    """

    outcome: Literal["moved", "unchanged", "overtaken", "missing", "nowhere", "no_version"]
    move: TagMove | None = None
    moved_from: int | None = None
    """The version that the tag named before."""


class Tags:
    """The tags of all workflows. Movers of one workflow's tags, and its publishers, stand in line."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, workflow: str, tag: str) -> TagMove | None:
        """The last move of a tag; None where there is no such tag."""
        with reaching_postgres():
            row = await self._pool.fetchrow(sql("last_tag_move"), workflow, tag)
        return TagMove(*row) if row and row["version"] is not None else None

    async def page(self, workflow: str, *, after: str = "", limit: int = 100) -> list[TagMove]:
        """The tags of a workflow behind a name, by name, each as its last move left it."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("list_tags"), workflow, after, limit)
        return [TagMove(*row) for row in rows]

    async def history(self, workflow: str, tag: str, *, before: int = _NEWEST, limit: int = 100) -> list[PastMove]:
        """The moves of a tag below a number, newest first; those of a tag that is gone, too."""
        with reaching_postgres():
            rows = await self._pool.fetch(sql("tag_history"), workflow, tag, before, limit)
        return [PastMove(TagMove(*tuple(row)[:-1]), row["moved_from"]) for row in rows]

    async def put(self, workflow: str, tag: str, version: int, order: Order) -> Moved:
        """Let a tag name a version; the tag is made if it is new."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                latest = await connection.fetchval(sql("hold_workflow"), workflow)
                if latest is None or not 1 <= version <= latest:
                    return Moved("no_version")
                mover = await _Mover.of(connection, workflow, tag, order)
                return mover.refusal() or await mover.put(version)

    async def remove(self, workflow: str, tag: str, order: Order) -> Moved:
        """Take a tag away; its history stays."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(sql("hold_workflow"), workflow)
                mover = await _Mover.of(connection, workflow, tag, order)
                if not mover.is_there:
                    return Moved("missing")
                return mover.refusal() or await mover.put(None)

    async def roll_back(self, workflow: str, tag: str, order: Order) -> Moved:
        """Take back the last move that was not taken back yet: once more goes back one more."""
        with reaching_postgres():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.fetchval(sql("hold_workflow"), workflow)
                mover = await _Mover.of(connection, workflow, tag, order)
                if mover.last is None:
                    return Moved("missing")
                return mover.refusal() or await mover.roll_back()


class _Mover(NamedTuple):
    """Moves one tag, while its workflow is held."""

    connection: Connection
    workflow: str
    tag: str
    order: Order
    last: TagMove | None

    @classmethod
    async def of(cls, connection: Connection, workflow: str, tag: str, order: Order) -> _Mover:
        row = await connection.fetchrow(sql("last_tag_move"), workflow, tag)
        return cls(connection, workflow, tag, order, TagMove(*row) if row else None)

    @property
    def is_there(self) -> bool:
        return self.last is not None and self.last.version is not None

    def refusal(self) -> Moved | None:
        """What the order is answered where the tag has moved meanwhile."""
        number = self.last.number if self.last else 0
        if self.order.only_after is None or number == self.order.only_after:
            return None
        return Moved("overtaken", self.last)

    async def put(self, version: int | None) -> Moved:
        if self.last is not None and self.last.version == version:
            return Moved("unchanged", self.last)
        return await self._write(version, None)

    async def roll_back(self) -> Moved:
        assert self.last is not None, "the caller has looked"
        before = await self._move(self.last.in_force - 1)
        target = await self._move(before.in_force) if before else None
        if target is None or target.version is None:
            return Moved("nowhere", self.last)
        return await self._write(target.version, target.number)

    async def _move(self, number: int) -> TagMove | None:
        row = await self.connection.fetchrow(sql("tag_move"), self.workflow, self.tag, number)
        return TagMove(*row) if row else None

    async def _write(self, version: int | None, in_force: int | None) -> Moved:
        number = self.last.number + 1 if self.last else 1
        told = (number, version, in_force or number, self.order.by, printable(self.order.reason))
        row = await self.connection.fetchrow(sql("add_tag_move"), self.workflow, self.tag, *told)
        assert row is not None
        return Moved("moved", TagMove(*row), self.last.version if self.last else None)
