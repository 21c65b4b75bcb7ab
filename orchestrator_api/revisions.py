"""The revisions a run has had: its definition and plan at each, from Postgres, be the run open or final."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator_api.commands import DURABLE_S
from orchestrator_api.deps import Records, Services, TakenPatch
from orchestrator_api.reading import current, found
from pointsman.base.errors import RunNotFound, ServerUnavailable
from pointsman.base.ids import Digest, RunId
from pointsman.protocol.state import RunHead
from pointsman.protocol.transition import decode_event


class Revision(NamedTuple):
    """What a run was to do at one revision."""

    definition: Digest
    plan: Digest


async def revisions(services: Services, run_id: RunId) -> list[Revision]:
    """All revisions of a run, the first of them first. Raises `RunNotFound` RUN005."""
    row = await found(services, run_id)
    patches = await services.records.patches.taken(run_id)
    if not patches:
        return [Revision(row.definition, row.plan)]
    begun = Revision(patches[0].base_definition, await first_plan(services.records, run_id))
    return [begun, *(Revision(patch.definition, patch.plan) for patch in patches)]


def at(found: list[Revision], run_id: RunId, revision: int) -> Revision:
    """One of them. Raises `RunNotFound` RUN008 where the run has not had it."""
    if not 1 <= revision <= len(found):
        raise missing(run_id, f"has no revision {revision}; it has had {len(found)}")
    return found[revision - 1]


async def at_or_now(services: Services, run_id: RunId, revision: int | None) -> tuple[Revision, int]:
    """One revision of a run and its number, that which the run has now unless told.

    Raises:
        RunNotFound: RUN005, RUN008.
    """
    if revision is None:
        head = (await current(services, run_id)).run.head
        return Revision(head.definition, head.plan), head.revision
    return at(await revisions(services, run_id), run_id, revision), revision


async def patch_of(services: Services, run_id: RunId, revision: int) -> TakenPatch:
    """The edit that made a revision. Raises `RunNotFound` RUN005, RUN008."""
    await found(services, run_id)
    for patch in await services.records.patches.taken(run_id):
        if patch.revision == revision:
            return patch
    raise missing(run_id, f"has no patch that made revision {revision}")


def missing(run_id: RunId, what: str) -> RunNotFound:
    """The answer about a revision that never was."""
    return RunNotFound("RUN008", f"run {run_id} {what}. Nothing was changed. List its patches to see what there is.")


async def first_plan(records: Records, run_id: RunId) -> Digest:
    """The plan that an edited run began with."""
    [first] = await records.journal.events(run_id, 0, 1)
    started = decode_event(first.body).started
    assert started is not None, "the first event of a run says how it was started"
    return started.plan


async def patches_up_to(records: Records, head: RunHead) -> list[TakenPatch]:
    """Every edit that led to a run's revision.

    Raises:
        ServerUnavailable: SRV062, the journal is behind, so what the edits have used so far is not known.
    """
    count = head.revision - 1
    taken = await records.patches.taken(head.run_id)
    if len(taken) < count and await records.watch.wait_until(head.run_id, head.seq, DURABLE_S):
        taken = await records.patches.taken(head.run_id)
    if len(taken) < count:
        raise ServerUnavailable(
            "SRV062",
            f"run {head.run_id} has been edited {count} times, and the journal knows of {len(taken)}: what those edits "
            "have used is unknown, and nothing was changed. Try again.",
        )
    return taken[:count]
