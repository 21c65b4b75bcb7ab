"""A run's past, folded from its journal: its state, its history and its plans, as they were after an event.

Recovery rebuilds open runs from it, and whoever wants a run as it once was folds up to there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from pointsman.base.ids import Digest, TimerId, Tip
from pointsman.protocol.state import Snapshot, Timer
from pointsman.protocol.transition import Transition
from pointsman.step.draft import RUN_TIMER
from pointsman.step.fold import advance, opened_by
from pointsman.step.kept import keep


class Keyed(Protocol):
    """What a row of the journal is called within its run."""

    @property
    def epoch(self) -> int:
        """The epoch that it was written in."""
        ...

    @property
    def seq(self) -> int:
        """Its place in the run."""
        ...


Row = TypeVar("Row", bound=Keyed)


def standing(rows: Sequence[Row]) -> list[Row]:
    """Of a run's rows, in order of epoch and seq, those that no later epoch has superseded.

    An epoch supersedes what earlier ones have at or behind the seq that it begins with.
    """
    kept: list[Row] = []
    for row in rows:
        while kept and kept[-1].epoch < row.epoch and kept[-1].seq >= row.seq:
            kept.pop()
        kept.append(row)
    return kept


class Past:
    """What a run's events so far amount to. Empty before the first."""

    def __init__(self) -> None:
        self.run: Snapshot | None = None
        self.history: dict[str, bytes] = {}
        """As stores keep it, see `pointsman.step.kept`."""
        self.plans: list[Digest] = []
        """Those of earlier revisions, oldest first."""

    def take(self, change: Transition, tip: Tip) -> bool:
        """Go on by an event. False, and nothing has changed, where it does not follow: there is a gap before it."""
        if self.run is None:
            if change.started is None or change.seq != 1:
                return False
            self.run = opened_by(change, tip)
        else:
            head = self.run.head
            if change.seq != head.seq + 1 or change.prev != head.tip:
                return False
            if change.patch is not None:
                self.plans.append(head.plan)
            advance(self.run, change, tip)
        keep(self.history, change)
        return True


def clock_of(run: Snapshot) -> dict[TimerId, Timer]:
    """Every timer of a run that is running: what has to be on the clock."""
    found = {} if run.head.timer is None or run.is_final else {RUN_TIMER: run.head.timer}
    for state in run.tokens.values():
        found.update(state.timers)
    return {name: timer for name, timer in found.items() if timer.left_ms is None}
