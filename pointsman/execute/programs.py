"""Programs by digest: each plan is read and indexed once in a process, whatever number of runs share it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Literal, Protocol

from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Digest
from pointsman.expr import Engine, engine
from pointsman.plan import Plan, decode_plan
from pointsman.protocol.state import RunHead
from pointsman.protocol.version import must_know
from pointsman.step import Program

MOST_NODES: Final = 20_000
"""Of all programs together; a node takes some 1.4 KB, and the collector looks at four objects of it."""


class Plans(Protocol):
    """Where plans are: the store of open runs, or for recovery the one of all that ever were."""

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON."""
        ...


class PlanMissing(PointsmanError):
    """A run points at a plan that Redis does not hold."""

    retryable = True


class Programs:
    """The most recently used programs. An engine is pinned to a run by name, so several may be in use."""

    def __init__(self, plans: Plans, most_nodes: int = MOST_NODES) -> None:
        self._plans = plans
        self._most = most_nodes
        self._nodes = 0
        self._known: OrderedDict[tuple[Digest, str], Program] = OrderedDict()
        self._engines: dict[str, Engine] = {}

    async def of(self, head: RunHead) -> Program:
        """The program of a run.

        Raises:
            PlanMissing: RUN002.
            PlanUnreadable: The plan is of a newer format.
            ReleaseTooOld: The run is of a newer release.
        """
        must_know(head.protocol, f"run {head.run_id}")
        key = (head.plan, head.engine)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        encoded = await self._plans.plan(head.plan)
        if encoded is None:
            raise PlanMissing(
                "RUN002",
                f"run {head.run_id} points at plan {head.plan[:12]}…, which Redis does not hold; nothing was changed. "
                "Redis has lost keys: look for evictions or deletions by hand.",
            )
        return self.remember(key, Program(decode_plan(encoded), self._engine(head.engine)))

    def built(self, plan: Plan, head: RunHead) -> Program:
        """The program that a plan of the run would be; it is not kept."""
        return Program(plan, self._engine(head.engine))

    def remember(self, key: tuple[Digest, str], program: Program) -> Program:
        """Keep a program that was built here already, and let go of those used longest ago."""
        before = self._known.pop(key, None)
        self._known[key] = program
        self._nodes += len(program.sites) - (len(before.sites) if before is not None else 0)
        while self._nodes > self._most and len(self._known) > 1:
            self._nodes -= len(self._known.popitem(last=False)[1].sites)
        return program

    def _engine(self, pinned: str) -> Engine:
        """The engine a run is pinned to: `cel-cpp-0.1.3` is `cel-cpp`, whatever its version here is."""
        name: Literal["cel-cpp", "cel-python"] = "cel-python" if pinned.startswith("cel-python") else "cel-cpp"
        if name not in self._engines:
            self._engines[name] = engine(name)
        return self._engines[name]
