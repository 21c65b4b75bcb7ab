"""Forking: a new run that begins with the history of another, as the journal has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from orchestrator_api.bodies import refusal
from orchestrator_api.deps import Services
from orchestrator_api.edit_limits import EditLimits
from orchestrator_api.ids import new_run_id
from orchestrator_api.reading import found
from orchestrator_api.room import must_have_room
from orchestrator_api.runs import started
from pointsman.base.errors import Problem, RequestRefused
from pointsman.base.ids import Digest, RunId, TokenId
from pointsman.definition import Document, Operation
from pointsman.execute import Origin, Starting
from pointsman.plan import Plan, encode_plan
from pointsman.ports.run_index import NewRun, RunRow
from pointsman.protocol.output import Output
from pointsman.protocol.state import Fork
from pointsman.protocol.transition import Transition


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
    operations: tuple[Operation, ...] = ()
    """RFC 6902 on the definition that the run has at the event."""
    request: str = ""
    """Names the request, where it has an `Idempotency-Key`: it makes one run, however far the other has come since."""
    input: Output | None = None
    """Another input of the run, where none of its work is kept; stored already where large."""


class _Chosen(NamedTuple):
    """What a fork is to execute."""

    definition: Digest
    plan: Digest
    compiled: Plan


def starting(services: Services) -> Starting:
    """What starts forks, on the servers as they are now. Raises `ServerUnavailable`."""
    return Starting(services.live.executor, services.records.journal, services.records.documents)


async def fork_run(services: Services, origin: Origin, order: ForkOrder) -> RunRow:
    """Accept a fork and start it. Asked again with the same id, or by the same request, the answer is that run.

    Args:
        services: The servers.
        origin: The run to be forked, at the event up to which its history is taken.
        order: How.

    Raises:
        RequestRefused: API012, there is another run of that id; API006, another input where work is kept; API083.
        ServerUnavailable: Redis is away, being recovered, or nearly full.
        EditRefused: The operations cannot be carried out, or what is kept would not have happened with them.
        InvalidDefinition: What they lead to does not compile.
        Also as `Starting.first` does.
    """
    run_id = order.run_id or new_run_id(services.clock.now())
    there = await services.records.runs.get(run_id) if order.request else None
    if there is not None and there.forked is not None and there.forked.request == order.request:
        return there
    await services.live.admit(run_id)
    await must_have_room(services, order.by)
    chosen = await _chosen(services, origin, order)
    run = await _new_run(services, run_id, origin, order, chosen)
    first = await starting(services).first(run.head(), chosen.compiled)
    if order.input is not None:
        _must_keep_nothing(first)
    acceptance = await services.records.runs.accept(run)
    assert acceptance.run is not None, "without a key it was accepted, or the run of that id is told"
    if acceptance.outcome != "accepted":
        return _there_already(acceptance.run, run)
    services.metrics.runs_forked.inc()
    services.crasher.reach("between_accept_and_start")
    executor, encoded = services.live.executor, encode_plan(chosen.compiled)
    await started(run.run_id, lambda: executor.begin(first, encoded, run.created_at))
    return acceptance.run


async def _chosen(services: Services, origin: Origin, order: ForkOrder) -> _Chosen:
    head, documents = origin.run.head, services.records.documents
    if not order.operations:
        return _Chosen(head.definition, head.plan, origin.plan)
    document = await documents.definition(head.definition)
    assert document is not None, "what a run points at is stored"
    limits, operations = EditLimits(services.settings.edits), list(order.operations)

    def becoming(before: Document) -> list[Operation]:
        limits.check_size(operations, before)
        return operations

    changed = await services.compiler.patched(document, becoming, origin.plan)
    await limits.check(services.records, head, changed)
    made = changed.made
    definition, plan = await documents.put_definition(made.definition), await documents.put_plan(made.encoded)
    return _Chosen(definition, plan, made.plan)


async def _new_run(services: Services, run_id: RunId, origin: Origin, order: ForkOrder, chosen: _Chosen) -> NewRun:
    head = origin.run.head
    row = await found(services, head.run_id)
    return NewRun(
        run_id=run_id,
        workflow=head.workflow,
        version=row.version,
        definition=chosen.definition,
        plan=chosen.plan,
        engine=head.engine,
        input=order.input or head.input,
        metadata=head.metadata,
        created_at=services.clock.now(),
        forked=Fork(head.run_id, head.seq, order.anew, dict(order.inputs), order.reason, order.by, order.request),
        tenant=row.tenant,
    )


def _must_keep_nothing(first: Transition) -> None:
    if first.kept:
        told = "the fork would keep work that was done for the input there was; fork at event 1 to keep none."
        raise refusal(Problem("API006", "/input", told))


def _there_already(row: RunRow, run: NewRun) -> RunRow:
    """The run of that id, if it is the very fork that was asked for: the request came twice."""
    if row.forked != run.forked or (row.revision == 1 and row.plan != run.plan):
        raise RequestRefused("API012", f"there is a run {row.run_id} already; it is as it was. Use another run_id.")
    return row
