"""Edits that come once more under their `Idempotency-Key`, since the first time nobody was there to answer them.

The event of an edit names its request. So whoever dies between the edit and its answer, or takes longer than a claim on
a key lasts, leaves it to be found: it is not carried out again, and its answer is worked out from the journal.
"""

from __future__ import annotations

from orchestrator_api.deps import Records, Services
from orchestrator_api.forking import starting
from orchestrator_api.preview import Verdict, verdict_on
from orchestrator_api.revisions import patches_up_to
from pointsman.base.errors import Problem
from pointsman.base.ids import RunId
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import Transition, decode_event


class Repeated(Exception):
    """The run was given the edit before, by the same request."""

    def __init__(self, change: Transition) -> None:
        super().__init__(change.seq)
        self.change = change


async def earlier(records: Records, run_id: RunId, request: str) -> Transition | None:
    """What a request made of a run, if it did and the journal has it; a request without a name did nothing."""
    event = await records.patches.made_by(run_id, request) if request else None
    return decode_event(event) if event is not None else None


async def must_be_new(records: Records, head: RunHead, request: str) -> None:
    """See that none of the edits that led to a run's revision was made by this request.

    Raises:
        Repeated: One was.
        ServerUnavailable: SRV062, the journal is behind.
    """
    if request and head.revision > 1:
        await patches_up_to(records, head)
        change = await earlier(records, head.run_id, request)
        if change is not None:
            raise Repeated(change)


async def answered(services: Services, change: Transition) -> tuple[Verdict, tuple[Problem, ...]]:
    """What an edit that was taken is answered with, besides what its event says: its effect, and its warnings."""
    patch, records = change.patch, services.records
    assert patch is not None, "an edit says what it was"
    before = await starting(services).origin(change.run_id, change.seq - 1)
    after = (await records.plans.get(patch.plan)).plan
    document = await records.documents.definition(patch.base_definition)
    assert document is not None, "what a patch points at is stored"
    made = (await services.compiler.patched(document, lambda _: list(patch.operations), before.plan)).made
    old, new = (services.live.executor.programs.built(plan, before.run.head) for plan in (before.plan, after))
    return verdict_on(old, new, before.run, change), made.warnings
