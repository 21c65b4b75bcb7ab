"""Replays of runs on the plans they have: who previews an edit is likely to commit it, or to try another."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from pointsman.base.ids import Digest, RunId
from pointsman.edit import Replay
from pointsman.protocol.state import Snapshot
from pointsman.step import Program

MOST_BYTES: Final = 32 << 20
"""What all that are kept may take, about; a run of 500 nodes with small outputs takes one and a half megabytes."""
_BYTES_A_RESULT: Final = 3_000


class _Kept(NamedTuple):
    plan: Digest
    replay: Replay
    size: int


class Replays:
    """Those asked for last, one a run."""

    def __init__(self) -> None:
        self._kept: OrderedDict[RunId, _Kept] = OrderedDict()
        self._size = 0

    def of(self, run: Snapshot, program: Program) -> Replay:
        """The replay of a run on the plan it has, from as far as it is known."""
        known = self._kept.get(run.head.run_id)
        replay = known.replay if known is not None and known.plan == run.head.plan else Replay(program)
        self.keep(run, run.head.plan, replay)
        return replay

    def keep(self, run: Snapshot, plan: Digest, replay: Replay) -> None:
        """Keep the replay of a run on a plan that it has or is about to have, in place of any other."""
        replay.alone()
        before = self._kept.pop(run.head.run_id, None)
        size = sum(_BYTES_A_RESULT + len(result.output.data) for result in run.results.values())
        self._size += size - (before.size if before is not None else 0)
        self._kept[run.head.run_id] = _Kept(plan, replay, size)
        while self._size > MOST_BYTES:
            self._size -= self._kept.popitem(last=False)[1].size
