"""Where a run's state is read: an open run from Redis, a final one from its journal."""

from __future__ import annotations

from collections.abc import Set
from typing import Final, NamedTuple

from orchestrator_api.deps import Records, Services
from pointsman.base.errors import RunNotFound, ServerUnavailable
from pointsman.base.ids import RunId, TokenId
from pointsman.ports.run_index import RunRow
from pointsman.protocol.state import FINAL, RunHead, Snapshot
from pointsman.protocol.transition import decode_event
from pointsman.protocol.version import must_know
from pointsman.step import advance, opened_by

_PAGE: Final = 500


class Current(NamedTuple):
    """A run as it is now: its row, and its state."""

    row: RunRow
    run: Snapshot


async def found(services: Services, run_id: RunId) -> RunRow:
    """The row of a run. Raises `RunNotFound` RUN005 where no such run was ever accepted."""
    row = await services.records.runs.get(run_id)
    if row is None:
        told = f"there is no run {run_id}: there never was, or it was removed long after it had ended"
        raise RunNotFound("RUN005", f"{told}. List runs to see those there are.")
    return row


async def current(services: Services, run_id: RunId) -> Current:
    """A run in any state. Where Redis cannot be asked it is as the journal knows it.

    Raises:
        RunNotFound: RUN005.
    """
    row = await found(services, run_id)
    if row.status in FINAL:
        return Current(row, await _durable(services.records, row))
    live = await _live(services, run_id)
    if live is not None:
        return Current(row, live)
    # It may have ended since its row was read.
    row = await found(services, run_id)
    return Current(row, await _durable(services.records, row))


async def taken(services: Services, run: Snapshot) -> frozenset[TokenId]:
    """The dispatched tokens of a run that a worker has; none where Redis cannot be asked."""
    out = {token: state.type for token, state in run.tokens.items() if state.state == "dispatched"}
    try:
        return await services.live.taken(run.head.run_id).of(run.head.run_id, out)
    except ServerUnavailable:
        return frozenset()


async def waiting_for_worker(services: Services, run: Snapshot, held: Set[TokenId]) -> tuple[str, ...]:
    """The types of a run's tasks that no worker has, and that none serves; none where Redis cannot be asked."""
    wanted = {state.type for token, state in run.tokens.items() if state.state == "dispatched" and token not in held}
    if not wanted:
        return ()
    try:
        return tuple(sorted(await services.live.backlog.unserved(wanted)))
    except ServerUnavailable:
        return ()


async def _live(services: Services, run_id: RunId) -> Snapshot | None:
    try:
        run = (await services.live.store.load([run_id])).get(run_id)
    except ServerUnavailable:
        return None
    if run is not None:
        must_know(run.head.protocol, f"run {run_id}")
    return run


async def _durable(records: Records, row: RunRow) -> Snapshot:
    """The state that the journal's events lead to; before the first of them, the run as it was accepted."""
    run: Snapshot | None = None
    after = 0
    while page := await records.journal.events(row.run_id, after, _PAGE):
        for event in page:
            change = decode_event(event.body)
            if run is None:
                run = opened_by(change, event.tip)
            else:
                advance(run, change, event.tip)
        after = page[-1].seq
    return run or Snapshot(_accepted(row))


def _accepted(row: RunRow) -> RunHead:
    return RunHead(
        run_id=row.run_id,
        workflow=row.workflow,
        plan=row.plan,
        definition=row.definition,
        engine=row.engine,
        created_at=row.created_at,
        status=row.status,
        input=row.input,
        metadata=row.metadata,
        ended_at=row.ended_at,
    )
