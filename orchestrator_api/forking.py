"""Forking: a new run that begins with the history of another, as the journal has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import structlog

from orchestrator_api.deps import Services
from orchestrator_api.ids import new_run_id
from orchestrator_api.reading import found
from orchestrator_api.runs import started
from pointsman.base.errors import RequestRefused
from pointsman.base.ids import RunId, TokenId
from pointsman.execute import Origin, Starting
from pointsman.plan import encode_plan
from pointsman.ports.run_index import NewRun, RunRow
from pointsman.protocol.output import Output
from pointsman.protocol.state import Fork

log = structlog.get_logger()


class ForkOrder(NamedTuple):
    """How a run is to be forked, and by whom."""

    by: str
    reason: str = ""
    anew: tuple[TokenId, ...] = ()
    """Activations to be done anew, with all that comes of them."""
    inputs: Mapping[TokenId, Output] = {}
    """What the workers of some of those are handed in place of what fires them; stored already where large."""
    run_id: RunId | None = None
    """The new run's id; made up unless given."""


def starting(services: Services) -> Starting:
    """What starts forks, on the servers as they are now. Raises `ServerUnavailable`."""
    return Starting(services.live.executor, services.records.journal, services.records.documents)


async def fork_run(services: Services, origin: Origin, order: ForkOrder) -> RunRow:
    """Accept a fork and start it. Asked again with the same id, the answer is the run that there is.

    Args:
        services: The servers.
        origin: The run to be forked, at the event up to which its history is taken.
        order: How.

    Raises:
        RequestRefused: API012, there is another run of that id.
        Also as `Starting.first` does.
    """
    head = origin.run.head
    row = await found(services, head.run_id)
    told = Fork(head.run_id, head.seq, order.anew, dict(order.inputs), order.reason, order.by)
    now = services.clock.now()
    run = NewRun(
        run_id=order.run_id or new_run_id(now),
        workflow=head.workflow,
        version=row.version,
        definition=head.definition,
        plan=head.plan,
        engine=head.engine,
        input=head.input,
        metadata=head.metadata,
        created_at=now,
        forked=told,
    )
    first = await starting(services).first(run.head(), origin.plan)
    acceptance = await services.records.runs.accept(run)
    assert acceptance.run is not None, "without a key it was accepted, or the run of that id is told"
    if acceptance.outcome != "accepted":
        return _there_already(acceptance.run, told)
    services.crasher.reach("between_accept_and_start")
    executor, encoded = services.live.executor, encode_plan(origin.plan)
    await started(run.run_id, lambda: executor.begin(first, encoded, now))
    return acceptance.run


def _there_already(row: RunRow, told: Fork) -> RunRow:
    if row.forked != told:
        raise RequestRefused("API012", f"there is a run {row.run_id} already; it is as it was. Use another run_id.")
    return row
