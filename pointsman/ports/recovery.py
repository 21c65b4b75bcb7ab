"""What recovery needs of the world: a store that is behind its fence, and what Postgres knows of open runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId, Tip
from pointsman.ports.journal import JournalEvent
from pointsman.ports.run_index import Cursor
from pointsman.protocol.state import RunStatus, Snapshot
from pointsman.protocol.transition import Sealed


def overtaken() -> ServerUnavailable:
    """The error for a recovery that is no longer the one that counts."""
    return ServerUnavailable(
        "SRV063",
        "Redis lost state once more while it was being recovered, or another supervisor has begun to recover it. What "
        "this one had begun counts for nothing; the fence stays closed until one is done.",
    )


class Fence(NamedTuple):
    """Whether changes pass."""

    is_open: bool
    epoch: int
    """The epoch that the store is in, or was when it lost state or was started anew; 0 where it knows of none."""
    prepared: int
    """The epoch that somebody prepares, or began to; 0 if none."""
    server: str
    """Names the server process: another one may hold older state."""


class Place(NamedTuple):
    """How far a run has come."""

    seq: int
    tip: Tip


class Rebuilt(NamedTuple):
    """An open run as its journal has it, and how it goes on."""

    run: Snapshot
    """As it is after `sealed`."""
    history: Mapping[str, bytes]
    plans: Sequence[Digest]
    """Those of earlier revisions, oldest first."""
    sealed: Sealed
    """The transition that tells of the recovery and hands out again what was out."""


class RecoveryStore(Protocol):
    """The store as whoever recovers it sees it: it can be written to while the fence is closed.

    `put_plan`, `drop`, `restore` and `open` raise `ServerUnavailable` SRV063 where `close` was not the last of all, or
    state was lost since: then begin again.
    """

    async def look(self) -> Fence:
        """Whether the fence is open."""
        ...

    async def close(self, epoch: int) -> None:
        """Let no change pass until `open(epoch)`. Raises SRV063 where a later epoch is known already."""
        ...

    async def places(self, runs: Sequence[RunId]) -> dict[RunId, Place]:
        """How far the store has those of the runs that it holds."""
        ...

    def held(self) -> AsyncIterator[list[RunId]]:
        """Every run that it holds, some at a time; one may come twice."""
        ...

    async def put_plan(self, digest: Digest, plan: bytes) -> None:
        """Store a plan that runs to be restored point at."""
        ...

    async def drop(self, runs: Sequence[RunId]) -> None:
        """Remove runs with their tasks and timers, whatever state they are in."""
        ...

    async def restore(self, runs: Sequence[Rebuilt]) -> None:
        """Write runs back; one that is there stays as it is."""
        ...

    async def open(self, epoch: int) -> None:
        """Let changes pass again."""
        ...

    async def now(self) -> Millis:
        """The store's clock."""
        ...


class RepairStore(Protocol):
    """The same for one run, while the store is open. Writing raises SRV063 where state was lost since `begin`."""

    async def begin(self) -> None:
        """Let what follows hold as long as no state is lost."""
        ...

    async def places(self, runs: Sequence[RunId]) -> dict[RunId, Place]:
        """As in `RecoveryStore`."""
        ...

    async def has_events(self, run: RunId) -> bool:
        """Whether events of a run stand on the events stream, which the journal has yet to write."""
        ...

    async def put_plan(self, digest: Digest, plan: bytes) -> None:
        """As in `RecoveryStore`."""
        ...

    async def drop(self, runs: Sequence[RunId]) -> None:
        """As in `RecoveryStore`."""
        ...

    async def sweep(self, run: RunId, types: Collection[str]) -> None:
        """Remove every task of a run that stands on the streams of these types."""
        ...

    async def restore(self, runs: Sequence[Rebuilt]) -> None:
        """As in `RecoveryStore`."""
        ...


class JournalledRun(NamedTuple):
    """An open run, and the last of its rows in the journal."""

    cursor: Cursor
    epoch: int
    seq: int
    tip: Tip

    @property
    def run_id(self) -> RunId:
        """Its id."""
        return RunId(self.cursor.run_id)


class Opening(NamedTuple):
    """One opening of a store, as it is kept for those who look after it. Times are Unix milliseconds."""

    epoch: int
    server: str
    began_at: Millis
    opened_at: Millis | None
    """None: it is being prepared, or whoever did died."""
    reason: str
    checked: int
    """Open runs that were looked at."""
    restored: int
    dropped: int
    failed: int


class OpenRuns(Protocol):
    """What Postgres knows of the runs of a store that are not final, and of the epochs there were."""

    async def page(self, status: RunStatus, after: Cursor, limit: int) -> list[JournalledRun]:
        """Runs of a status that have events, behind a cursor, oldest first."""
        ...

    async def events(self, runs: Sequence[RunId]) -> dict[RunId, list[JournalEvent]]:
        """Every row of several runs, in order of epoch and seq, superseded ones among them."""
        ...

    async def final(self, runs: Sequence[RunId]) -> set[RunId]:
        """Those of `runs` that are final."""
        ...

    async def newest(self) -> Opening | None:
        """The opening of this store with the latest epoch."""
        ...

    async def begin(self, opening: Opening) -> Opening:
        """Write an opening down, in the epoch that it names or a later one: behind all there were, of any store.

        Raises `ServerUnavailable` SRV065 where there is another number of partitions than this process was told.
        """
        ...

    async def note(self, opening: Opening) -> None:
        """Write down how far an opening has come."""
        ...
