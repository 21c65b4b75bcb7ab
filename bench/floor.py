"""Driving W1's floor: runs that begin at a tip the floor's coordinator knows."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from bench.driver import Driver
from bench.floor_coordinator import PLACEHOLDER, constant_transitions, tip
from pointsman.plan import Plan, encode_plan
from pointsman.ports.run_index import NewRun
from pointsman.protocol.transition import Sealed, seal


class FloorDriver(Driver):
    """Starts runs with a first transition that was computed once."""

    async def start(self, plan: Plan, runs: Sequence[NewRun]) -> None:
        """Start accepted runs of a chain."""
        body, first = encode_plan(plan), constant_transitions(plan)[0]
        [dispatch] = first.dispatches
        for run in runs:
            task = dispatch.body.replace(PLACEHOLDER.encode(), run.run_id.encode())
            own = replace(first, run_id=run.run_id, started=run.head(), dispatches=(replace(dispatch, body=task),))
            await self.store.start(Sealed(own, seal(own).event, tip(1)), body)
