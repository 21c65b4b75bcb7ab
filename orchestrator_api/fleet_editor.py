"""Whoever carries edits of fleets out: each is held by one process at a time, and taken over when that dies.

A run is claimed in Postgres before it is touched. What a dead process had claimed may have the edit or not; the run's
own patches say which, once the journal has passed its last event. docs/decisions/0011-fleet-edits.md has the reasons.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from orchestrator_api.deps import Claimed, Decision, FleetEdit, HeldEdit, Services
from orchestrator_api.fleet_target import Targets, concerns_all, passes
from orchestrator_api.problems import INTERNAL
from pointsman.base.clock import monotonic
from pointsman.base.errors import PointsmanError, ServerUnavailable
from pointsman.service import LONGEST_PAUSE_S, backoff, pause

log = structlog.get_logger()

POLL_S: Final = 0.5
EDITS_AT_ONCE: Final = 3
"""Each keeps one of the process's connections to Postgres."""
RUNS_AT_ONCE: Final = 4
"""Most of the time goes by waiting for the journal. What was begun when an edit stops still lands, so not many."""
TRIES: Final = 5


class FleetEditor:
    """Carries out what is written down, beside answering requests."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._busy: set[str] = set()

    async def run(self) -> None:
        """Work until the process drains; then finish with the runs that were begun."""
        drain = self._services.drain
        async with asyncio.TaskGroup() as group:
            while not drain.is_set():
                for edit in await self._waiting():
                    self._busy.add(edit)
                    group.create_task(self._work(edit))
                await pause(drain, POLL_S)

    async def _waiting(self) -> list[str]:
        """Edits to be worked on, as many as can be."""
        try:
            found = await self._services.records.fleet.to_do()
        except ServerUnavailable:  # whoever keeps the connections has said so
            return []
        return [edit for edit in found if edit not in self._busy][: EDITS_AT_ONCE - len(self._busy)]

    async def _work(self, edit_id: str) -> None:
        """Work on one edit, unless somebody else does. One that breaks off is left alone for a while."""
        try:
            await self._work_off(edit_id)
        except* ServerUnavailable as lost:
            reason = str(lost.exceptions[0])
            log.warning("fleet_edit_interrupted", edit=edit_id, reason=reason)
            await pause(self._services.drain, LONGEST_PAUSE_S)
        except* Exception:
            log.exception("fleet_edit_broke_off", edit=edit_id)
            await pause(self._services.drain, LONGEST_PAUSE_S)
        finally:
            self._busy.discard(edit_id)

    async def _work_off(self, edit_id: str) -> None:
        fleet = self._services.records.fleet
        async with fleet.held(edit_id) as held:
            edit = await fleet.get(edit_id)
            if held is not None and edit is not None:
                await _Work(self._services, edit, held).run()


class _Work:
    """One edit, as long as this process holds it."""

    def __init__(self, services: Services, edit: FleetEdit, held: HeldEdit) -> None:
        self._drain = services.drain
        self._crasher = services.crasher
        self._is_running = edit.status == "running"
        self._held = held
        self._targets = Targets(services, edit)
        self._pace = _Pace(edit.rate_per_s, services.drain)
        self._hands = asyncio.Semaphore(RUNS_AT_ONCE)

    async def run(self) -> None:
        """Go from run to run until there is none left, or it may not go on. What is left in hand is found again.

        Raises:
            ServerUnavailable: Alone, or in a group of exceptions.
        """
        async with asyncio.TaskGroup() as group:
            for item in await self._held.in_hand():
                await self._hands.acquire()
                group.create_task(self._inherit(item))
            while await self._next(group):
                pass
        await self._held.finish()

    async def _next(self, group: asyncio.TaskGroup) -> bool:
        """Begin with the next run, when its turn has come and a hand is free; False where there is none."""
        await self._pace.turn()
        await self._hands.acquire()
        item = await self._held.claim() if not self._drain.is_set() else None
        if item is not None:
            group.create_task(self._edit(item))
        return item is not None

    async def _inherit(self, item: Claimed) -> None:
        """Deal with a run that somebody had claimed and not decided. If the edit may not go on, it gets no new try."""
        if self._is_running:
            await self._edit(item)
            return
        had = await self._targets.look_up(item.run_id)
        if had is not None:
            await self._held.decide(item, had)
        else:
            await self._held.put_back(item)
        self._hands.release()

    async def _edit(self, item: Claimed) -> None:
        decision = await self._decision(item)
        if decision is not None:
            if decision.state == "applied":
                self._crasher.reach("between_edit_and_item")
            await self._held.decide(item, decision)
        self._hands.release()

    async def _decision(self, item: Claimed) -> Decision | None:
        """What becomes of a run; None where the process drains before that is clear."""
        failures = 0
        while True:
            try:
                return await self._targets.apply(item.run_id, is_again=item.tries + failures > 1)
            except PointsmanError as wrong:
                failures += 1
                if concerns_all(wrong):
                    raise
                if failures == TRIES or not passes(wrong):
                    return Decision("failed", None, wrong.code, wrong.message)
            except Exception as wrong:
                log.exception("fleet_item_failed", run_id=item.run_id)
                return Decision("failed", None, INTERNAL, f"{type(wrong).__name__}: a bug in Pointsman.")
            await pause(self._drain, backoff(failures))
            if self._drain.is_set():
                return None


class _Pace:
    """Lets so many pass in a second, evenly."""

    def __init__(self, rate_per_s: float, drain: asyncio.Event) -> None:
        self._between_s = 1 / rate_per_s
        self._drain = drain
        self._next = monotonic()

    async def turn(self) -> None:
        """Wait until one may pass, or the process drains."""
        now = monotonic()
        if now < self._next:
            await pause(self._drain, self._next - now)
        self._next = max(self._next, now) + self._between_s
