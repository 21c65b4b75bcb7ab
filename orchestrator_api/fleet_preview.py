"""What would become of an edit of a fleet, before it goes anywhere."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import msgspec

from orchestrator_api.deps import Decision, NewFleetEdit, Services
from orchestrator_api.fleet_target import Targets, concerns_all
from pointsman.base.errors import PointsmanError
from pointsman.base.ids import RunId

MOST: Final = 1_000
"""How many runs are looked at. More say hardly more, and the answer has to come."""
_AT_ONCE: Final = 8


class FleetCounts(msgspec.Struct, frozen=True):
    """How many runs are in each state."""

    pending: int = 0
    """Not looked at yet."""
    applying: int = 0
    """Being edited at this moment."""
    applied: int = 0
    unchanged: int = 0
    """Their definitions are already as the edit would have them."""
    ended: int = 0
    """Over before it was their turn; they count neither as taken nor as errors."""
    refused: int = 0
    failed: int = 0
    """Could not be reached, or were too busy; they are tried again when the edit is resumed."""


class FleetRefusals(msgspec.Struct, frozen=True):
    """The runs that would not take the edit for one reason."""

    code: str
    runs: int
    run_id: RunId
    """One of them."""
    message: str
    """What it is told."""


class FleetPreview(msgspec.Struct, frozen=True):
    """What would become of an edit if it were made now; nothing was changed."""

    workflow: str
    version: int
    runs: int
    """How many it would be for: those of the version that are open now."""
    reach: int
    """How many of them would get it before it waits to be resumed."""
    counts: FleetCounts
    """Of what would become of each; those beyond the first thousand were not looked at and are pending."""
    refusals: tuple[FleetRefusals, ...]
    """The most frequent first."""


async def preview(services: Services, edit: NewFleetEdit, canary_percent: float) -> FleetPreview:
    """Try an edit on the runs it would be for, in the order in which they would get it.

    Raises:
        ServerUnavailable: Redis, Postgres or the blob store cannot be asked.
    """
    count, runs = await services.records.fleet.open_runs(edit.workflow, edit.version, MOST)
    decisions = await _tried(Targets(services, edit), runs)
    states: dict[str, int] = Counter(decision.state for decision in decisions)
    return FleetPreview(
        edit.workflow,
        edit.version,
        count,
        math.ceil(Fraction(str(canary_percent)) * count / 100),
        FleetCounts(pending=count - len(runs), **states),
        _refusals(runs, decisions),
    )


async def _tried(targets: Targets, runs: Sequence[RunId]) -> list[Decision]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def attempt(run_id: RunId) -> Decision:
        async with free:
            try:
                return await targets.preview(run_id)
            except PointsmanError as wrong:
                if concerns_all(wrong):
                    raise
                return Decision("failed", None, wrong.code, wrong.message)

    return await asyncio.gather(*map(attempt, runs))


def _refusals(runs: Sequence[RunId], decisions: Sequence[Decision]) -> tuple[FleetRefusals, ...]:
    counts = Counter(decision.code for decision in decisions if decision.code is not None)
    first: dict[str, FleetRefusals] = {}
    for run_id, decision in zip(runs, decisions, strict=True):
        code, message = decision.code, decision.message
        if code is not None and message is not None and code not in first:
            first[code] = FleetRefusals(code, counts[code], run_id, message)
    return tuple(sorted(first.values(), key=lambda found: (-found.runs, found.code)))
