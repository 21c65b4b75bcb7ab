"""RunStore: where open runs live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from pointsman.base.ids import Digest, Millis, RunId
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.outcome import Outcome, StartOutcome
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Sealed

LATEST_START_MS: Final = 10_000
"""How long after an instant at which a run had certainly not ended it may be started. A supervisor starts it after
that, knowing from Postgres that it has not."""


class Link(msgspec.Struct, frozen=True):
    """One step of a chain to apply: a sealed transition, and the delivery it answers.

    `delivery` is the signal's entry id on the signals stream, acknowledged and removed by the same apply; None for
    commands, which came from no stream. An empty transition only acknowledges, against the same tip. `owner` is that of
    the hold under which it comes, if one was taken.
    """

    sealed: Sealed
    delivery: str | None = None
    owner: str = ""


class Recalled(NamedTuple):
    """A run with its past: what the editor replays."""

    run: Snapshot
    history: list[HistoryRecord]
    """The taken signals in order, those of ended frames left out, and the last pass of each loop."""


class RunStore(Protocol):
    """The open runs of one partition set. Every write is one atomic script, compare-and-set on the run's tip."""

    async def start(self, sealed: Sealed, plan: bytes, by: Millis | None = None) -> StartOutcome:
        """Create a run from its first transition, with its plan (canonical JSON) if that is not stored yet.

        `late` after the instant `by` of the store's clock. A run that was removed is known for twice `LATEST_START_MS`
        after that, so whoever names an instant at most `LATEST_START_MS` after one at which the run had certainly not
        ended cannot run it twice, however late the start arrives.
        """
        ...

    async def load(self, runs: Sequence[RunId]) -> dict[RunId, Snapshot]:
        """The snapshots of those runs that are there, each consistent in itself, in one round trip."""
        ...

    async def recall(self, run: RunId) -> Recalled | None:
        """A run and its history, read at one instant; None where it is not there."""
        ...

    async def apply(self, links: Sequence[Link]) -> list[Outcome]:
        """Apply links in order, pipelined; the answers stand in the same order.

        Links of one run form a chain, each naming the tip before it: once one is refused those behind it are too.
        """
        ...

    async def hold(self, run: RunId, owner: str, ms: int) -> bool:
        """Have an open run refuse all links but the owner's (`held`) for so long by the store's clock, 0: no longer.

        False where another holds it, or it is not open: nothing changed. The next link that is applied ends it.
        """
        ...

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON."""
        ...

    async def put_plan(self, run: RunId, digest: Digest, plan: bytes) -> None:
        """Store a plan before a run's patch points at it; storing it again changes nothing. Raises as `finish` does."""
        ...

    async def finish(self, runs: Sequence[RunId]) -> list[bool]:
        """Remove runs that are final and hold no open token; False where that is not so, and nothing was removed.

        True also where there is nothing left to remove. Raises `ServerUnavailable` SRV061 where state was lost.
        """
        ...

    async def now(self) -> Millis:
        """The store's clock: due times come from there."""
        ...

    async def fire_timers(self, limit: int) -> int:
        """Turn timers that are due into signals, at most `limit`; how many did."""
        ...

    async def dump(self) -> Mapping[str, object]:
        """Everything it holds, byte for byte; for tests of "nothing changed"."""
        ...
