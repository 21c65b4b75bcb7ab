"""Snapshots this coordinator stepped last. One that is out of date costs a reload: apply compares tips."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from pointsman.base.ids import RunId
from pointsman.protocol.state import Snapshot


class SnapshotCache:
    """The most recently used snapshots, at most `size`."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._runs: OrderedDict[RunId, Snapshot] = OrderedDict()

    def get(self, run: RunId) -> Snapshot | None:
        """A run's snapshot, the caller's to move on until it is dropped."""
        found = self._runs.get(run)
        if found is not None:
            self._runs.move_to_end(run)
        return found

    def put(self, run: RunId, snapshot: Snapshot) -> None:
        """Keep a snapshot that was just loaded."""
        self._runs[run] = snapshot
        if len(self._runs) > self._size:
            self._runs.popitem(last=False)

    def drop(self, run: RunId) -> None:
        """Forget a run: it ended, or it moved on without us."""
        self._runs.pop(run, None)

    def drop_all(self, those: Callable[[RunId], bool]) -> None:
        """Forget all runs of a kind: others move them on from now on."""
        for run in [run for run in self._runs if those(run)]:
            del self._runs[run]
