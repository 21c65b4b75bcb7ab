"""Plans by digest, each read and decoded once in a process, whatever number of runs share it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from pointsman.base.ids import Digest
from pointsman.execute import programs
from pointsman.plan import Plan, decode_plan

_KEPT: Final = 256


class StoredPlan(NamedTuple):
    """A plan and its canonical JSON."""

    plan: Plan
    encoded: bytes


class Plans:
    """The plans used last."""

    def __init__(self, stored: programs.Plans) -> None:
        self._stored = stored
        self._known: OrderedDict[Digest, StoredPlan] = OrderedDict()

    async def get(self, digest: Digest) -> StoredPlan:
        """A plan that a run or a version points at.

        Raises:
            PlanUnreadable: RUN001, a newer release wrote it.
        """
        found = self._known.get(digest)
        if found is None:
            encoded = await self._stored.plan(digest)
            assert encoded is not None, "what points at a plan in Postgres has it there"
            found = self._known[digest] = StoredPlan(decode_plan(encoded), encoded)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(digest)
        return found
