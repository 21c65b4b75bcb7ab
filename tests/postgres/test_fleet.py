"""Edits of fleets in Postgres: who is next, what was decided, when it stops."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.fleet import Claimed, Decision, FleetEdit, FleetEdits, HeldEdit, NewFleetEdit
from pointsman.adapters.postgres.runs import Runs
from pointsman.adapters.postgres.workflows import Workflows
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis, RunId
from pointsman.ports.run_index import NewRun
from pointsman.protocol.output import EMPTY
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

EDIT = NewFleetEdit("edit_1", "triage", 1, msgspec.Raw(b'[{"op":"test"}]'), "why", "ann", "refuse", 10, 0.1)
REFUSED = Decision("refused", None, "EDT021", "no")
APPLIED = Decision("applied", 2)


async def fleet(pool: Pool, count: int = 4, version: int = 1) -> list[RunId]:
    """Accepted runs of a version, in the order in which an edit gets to them."""
    documents, workflows = Documents(pool), Workflows(pool)
    plan = await documents.put_plan(b"{}")
    definition = await documents.put_definition(str(version).encode())
    await workflows.publish("triage", definition, plan, "ann")
    runs = [RunId(f"run_{version}_{number}") for number in range(count)]
    for run in runs:
        new = NewRun(run, "triage", version, definition, plan, "cel-cpp", EMPTY, None, Millis(1))
        await Runs(pool).accept(new)
    return sorted(runs, key=lambda run: hashlib.sha256(run.encode()).digest())


async def claimed(held: HeldEdit) -> list[Claimed]:
    """Everything that can be claimed."""
    found = []
    while item := await held.claim():
        found.append(item)
    return found


@asynccontextmanager
async def holding(edits: FleetEdits, edit: FleetEdit) -> AsyncIterator[HeldEdit]:
    async with edits.held(edit.id) as held:
        assert held is not None
        yield held


async def test_an_edit_has_a_row_for_each_open_run_of_its_version_in_the_order_of_hashes(pool: Pool) -> None:
    # Given open runs of two versions, and one that has ended
    runs, edits = await fleet(pool, 6), FleetEdits(pool)
    await fleet(pool, 2, version=2)
    over = runs.pop(2)
    await pool.execute("UPDATE runs SET status = 'CANCELLED', ended_at = 2 WHERE run_id = $1", over)
    # When an edit of the first version is written down, with a canary
    edit = await edits.add(EDIT, 25.0)
    # Then it is for the open runs of that one, and reaches a quarter of them, rounded up
    assert (edit.runs, edit.reach, edit.status, bytes(edit.operations)) == (5, 2, "running", bytes(EDIT.operations))
    assert await edits.get("edit_1") == edit
    assert [item.run_id for item in await edits.items("edit_1")] == runs
    assert await edits.counts("edit_1") == {"pending": 5}
    assert await edits.open_runs("triage", 1, 2) == (5, runs[:2])
    assert await edits.to_do() == ["edit_1"]


@pytest.mark.parametrize(("percent", "reach"), [(0.1, 1), (7, 7), (10, 10), (33.4, 34), (100, 100)])
async def test_a_canary_is_its_share_rounded_up_exactly(pool: Pool, percent: float, reach: int) -> None:
    await fleet(pool, 100)
    assert (await FleetEdits(pool).add(EDIT, percent)).reach == reach


async def test_an_edit_without_runs_is_complete_at_once(pool: Pool) -> None:
    await fleet(pool, 0)
    edits = FleetEdits(pool)
    assert (await edits.add(EDIT, 10)).status == "completed"
    assert await edits.to_do() == []


async def test_an_edit_is_held_by_one_at_a_time(pool: Pool) -> None:
    # Given somebody who holds an edit
    await fleet(pool)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    async with holding(edits, edit) as held, edits.held(edit.id) as other:
        # Then nobody else can
        assert other is None
        # And when the connection is cut, it claims nothing more
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(ServerUnavailable):
            await held.claim()

    # And it can be held again
    async def claimed_by_another() -> bool:
        async with edits.held(edit.id) as held:
            return held is not None and len(await claimed(held)) == 4

    await eventually(claimed_by_another)


async def test_who_lets_an_edit_go_leaves_nothing_on_the_connection(pool: Pool) -> None:
    # Given an edit that was held
    await fleet(pool)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    async with holding(edits, edit):
        assert await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 1
    # Then whoever borrows that connection next has neither its lock nor its limit
    async with pool.acquire() as one, pool.acquire() as other:
        for connection in (one, other):
            assert await connection.fetchval("SHOW idle_session_timeout") == "0"
            assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


async def test_what_is_claimed_and_not_decided_is_seen_by_the_next_holder(pool: Pool) -> None:
    runs, edits = await fleet(pool), FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    # Given a holder who has gone with two runs in hand
    async with holding(edits, edit) as held:
        first, second = await held.claim(), await held.claim()
        assert [first, second] == [Claimed(1, runs[0], 1), Claimed(2, runs[1], 1)]
    # Then the next one sees them, and can put one back
    async with holding(edits, edit) as held:
        assert await held.in_hand() == [Claimed(1, runs[0], 2), Claimed(2, runs[1], 2)]
        assert second is not None
        await held.put_back(second)
        assert [item.position for item in await claimed(held)] == [2, 3, 4]
    # Even if the edit was cancelled meanwhile
    assert await edits.cancel(edit.id)
    assert await edits.to_do() == [edit.id]


async def test_the_edit_waits_behind_its_canary_and_goes_on_when_resumed(pool: Pool) -> None:
    await fleet(pool)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 50)
    async with holding(edits, edit) as held:
        # When the canary is done
        for item in await claimed(held):
            await held.finish()
            assert await held.decide(item, APPLIED) == "running"
        await held.finish()
        # Then nothing more can be claimed
        assert (await edits.counts(edit.id), await held.claim()) == ({"applied": 2, "pending": 2}, None)
        found = await edits.get(edit.id)
        assert found is not None
        assert (found.status, found.reach, found.decided) == ("waiting", 2, 2)
        # Until it is resumed
        assert await edits.resume(edit.id)
        for item in await claimed(held):
            await held.decide(item, APPLIED)
        await held.finish()
    found = await edits.get(edit.id)
    assert found is not None
    assert (found.status, found.reach, found.decided) == ("completed", 4, 2)
    # And a complete one can be neither resumed nor cancelled
    assert not await edits.resume(edit.id)
    assert not await edits.cancel(edit.id)


async def test_the_edit_stops_when_too_many_of_at_least_ten_refuse(pool: Pool) -> None:
    await fleet(pool, 30)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    async with holding(edits, edit) as held:
        items = await claimed(held)
        # When runs refuse, one in ten is not too many; those that have ended do not count
        decisions = [REFUSED, Decision("ended"), *[APPLIED] * 9, REFUSED, REFUSED]
        states = [await held.decide(item, decision) for item, decision in zip(items, decisions, strict=False)]
    # Then it stops at the second among eleven
    assert states == ["running"] * 11 + ["stopped"] * 2
    found = await edits.get(edit.id)
    assert found is not None
    assert (found.decided, found.errors) == (12, 3)


async def test_a_resumed_edit_counts_anew_and_tries_those_that_failed_again(pool: Pool) -> None:
    await fleet(pool, 4)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    async with holding(edits, edit) as held:
        first, second = await held.claim(), await held.claim()
        assert first is not None
        assert second is not None
        # Given an edit that one error stopped, of at most four runs
        assert await held.decide(first, Decision("failed", None, "SRV060", "busy")) == "stopped"
        # And a decision that came when it had stopped
        assert await held.decide(second, REFUSED) == "stopped"
        assert await held.claim() is None
        # When it is resumed, with more patience
        assert await edits.resume(edit.id, 0.5)
        # Then the one that failed is claimed again, the one that refused is not
        assert [item.position for item in await claimed(held)] == [1, 3, 4]
    found = await edits.get(edit.id)
    assert found is not None
    assert (found.decided, found.errors, found.stop_on_error_share) == (0, 0, 0.5)


async def test_a_run_is_decided_once(pool: Pool) -> None:
    await fleet(pool, 1)
    edits = FleetEdits(pool)
    edit = await edits.add(EDIT, 100)
    async with holding(edits, edit) as held:
        item = await held.claim()
        assert item is not None
        await held.decide(item, APPLIED)
        # When somebody who thinks to hold it decides again
        await held.decide(item, REFUSED)
    # Then the first decision stays
    [found] = await edits.items(edit.id, state="applied")
    assert (found.run_id, found.revision, found.code, await edits.items(edit.id, state="refused")) == (
        item.run_id,
        2,
        None,
        [],
    )
