"""Edits of fleets: looked at first, then applied to each open run of a version, once."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from orchestrator_api.deps import Decision
from orchestrator_api.fleet_editor import FleetEditor
from orchestrator_api.fleet_target import Targets
from pointsman.adapters.postgres.fleet import FleetEdits, NewFleetEdit
from pointsman.base.ids import RunId
from pointsman.settings import Settings
from tests.api.room import Room, in_partitions, journalled, room_on
from tests.api.test_patches import patched, stored
from tests.api.test_process import api
from tests.api.test_runs import codes
from tests.support.processes import started
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

ROW = {
    "name": "row",
    "nodes": [{"id": name, "type": "function"} for name in "abc"],
    "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
}
TONE = [{"op": "add", "path": "/nodes/b/config", "value": {"tone": "calm"}}]
"""A run takes it until `b` is dispatched."""
EXTRA = [
    {"op": "add", "path": "/nodes/-", "value": {"id": "own", "type": "function"}},
    {"op": "add", "path": "/edges/-", "value": {"from": "c", "to": "own"}},
]
ANYWAY = {"rate_per_s": 1_000, "stop_on_error_share": 1}
EDITS = "/workflows/row/edits"


@pytest.fixture
async def room(settings: Settings) -> AsyncIterator[Room]:
    """An API that carries edits of fleets out, with a workflow to run."""
    async with room_on(settings) as room, journalled(room):
        editing = asyncio.create_task(FleetEditor(room.services).run())
        await room.post("/workflows", ROW)
        yield room
        room.service.drain.set()
        await editing


async def fleet(room: Room, count: int, done: str = "") -> list[str]:
    """Runs of the workflow that have these nodes behind them, in the order in which edits get to them."""
    runs = []
    for _ in range(count):
        answered = await room.post("/runs", {"workflow": "row"})
        runs.append(str(answered.json()["run_id"]))
        for node in done:
            await room.complete(runs[-1], node)
    return in_order(runs)


def in_order(runs: Sequence[str]) -> list[str]:
    return sorted(runs, key=lambda run: hashlib.sha256(run.encode()).digest())


def asked(**more: Any) -> dict[str, Any]:
    """The body of an edit."""
    return {"version": 1, "operations": TONE, **ANYWAY, **more}


async def begun(room: Room, **more: Any) -> str:
    """Ask for an edit; where it is."""
    answered = await room.post(EDITS, asked(**more))
    assert answered.status_code == 202, answered.text
    return str(answered.headers["location"]).removeprefix("/api/v1")


async def edit_at(room: Room, place: str) -> dict[str, Any]:
    """The edit itself."""
    return dict((await room.get(place)).json()["edit"])


async def settled(room: Room, place: str, *statuses: str) -> dict[str, Any]:
    """The edit, once it has one of these statuses and nothing in hand."""

    async def is_settled() -> dict[str, Any] | None:
        edit = await edit_at(room, place)
        return edit if edit["status"] in (statuses or ("completed",)) and not edit["counts"]["applying"] else None

    return await eventually(is_settled, 20)


async def states(room: Room, place: str) -> dict[str, str]:
    """What became of each run, in order."""
    items = (await room.get(place, params={"limit": 500})).json()["items"]
    return {item["run_id"]: item["state"] for item in items}


def counted(**counts: int) -> dict[str, int]:
    nothing = dict.fromkeys(("pending", "applying", "applied", "unchanged", "ended", "refused", "failed"), 0)
    return nothing | counts


async def tone(room: Room, run_id: str) -> Any:
    """What the definition of a run has for the config of `b`."""
    nodes = (await room.get(f"/runs/{run_id}/definition")).json()["nodes"]
    return next(node.get("config") for node in nodes if node["id"] == "b")


async def test_what_a_preview_counts_is_what_becomes_of_forty_runs(room: Room) -> None:
    # Given runs at every point, some paused, some with patches of their own, some that are over
    fresh, at_b, at_c = await fleet(room, 20), await fleet(room, 10, "a"), await fleet(room, 6, "ab")
    over = await fleet(room, 2, "abc")
    own, same = fresh[:5], fresh[5:7]
    for run_id in own:
        assert (await patched(room, run_id, EXTRA)).status_code == 200
    for run_id in same:
        assert (await patched(room, run_id, TONE)).status_code == 200
    for run_id in fresh[7:10]:
        await room.post(f"/runs/{run_id}/pause")
    other = await room.start(ROW)
    for run_id in over:
        await room.cleaned_up(run_id)
    # When an edit is tried
    before = await stored(room)
    looked = (await room.post(EDITS, asked(dry_run=True, canary_percent=10))).json()
    # Then it says what would become of them, by reason, and leaves no trace
    expected = counted(applied=18, unchanged=2, refused=16)
    assert (looked["runs"], looked["reach"], looked["counts"]) == (36, 4, expected)
    assert [(found["code"], found["runs"]) for found in looked["refusals"]] == [("EDT024", 10), ("EDT028", 6)]
    assert looked["refusals"][0]["run_id"] in at_b
    assert await stored(room) == before
    # And when it is made, that is what becomes of them
    place = await begun(room, description="Be calm")
    edit = await settled(room, place)
    assert (edit["counts"], edit["runs"], edit["reach"]) == (expected, 36, 36)
    refused = (await room.get(place, params={"state": "refused", "limit": 500})).json()["items"]
    assert Counter(item["code"] for item in refused) == {"EDT024": 10, "EDT028": 6}
    assert await states(room, place) == {
        run_id: "unchanged" if run_id in same else "applied" if run_id in fresh else "refused"
        for run_id in in_order([*fresh, *at_b, *at_c])
    }
    # Runs keep the patches they had, and go on under both
    patches = (await room.get(f"/runs/{own[0]}/patches")).json()["taken"]
    assert [patch["operations"] for patch in patches] == [EXTRA, TONE]
    assert (patches[1]["by"], patches[1]["description"]) == (f"fleet edit {edit['id']} (local)", "Be calm")
    assert await tone(room, own[0]) == {"tone": "calm"}
    for node in ("a", "b", "c", "own"):
        await room.complete(own[0], node)
    await room.cleaned_up(own[0])
    # And those that refused it are as they were, with the refusal among their patches
    listed = (await room.get(f"/runs/{at_b[0]}/patches")).json()
    assert (listed["taken"], [found["code"] for found in listed["refused"]]) == ([], ["EDT024"])
    assert (await tone(room, at_c[0]), await tone(room, other)) == (None, None)


@in_partitions
async def test_an_edit_of_a_fleet_tells_all_about_itself(room: Room) -> None:
    # Given an edit of three runs
    runs = await fleet(room, 3)
    answered = await room.post(EDITS, asked(description="Be calm", canary_percent=50))
    told = answered.json()
    assert told == {
        "id": told["id"],
        "workflow": "row",
        "version": 1,
        "status": "running",
        "runs": 3,
        "reach": 2,
        "counts": told["counts"],
        "operations": TONE,
        "description": "Be calm",
        "by": "local",
        "on_running": "refuse",
        "rate_per_s": 1000.0,
        "stop_on_error_share": 1.0,
        "created_at": told["created_at"],
    }
    # Then its runs are listed page by page
    place = answered.headers["location"].removeprefix("/api/v1")
    await settled(room, place, "waiting")
    first = (await room.get(place, params={"limit": 2})).json()
    assert [(item["run_id"], item["state"], item["revision"], item["code"]) for item in first["items"]] == [
        (runs[0], "applied", 2, None),
        (runs[1], "applied", 2, None),
    ]
    rest = (await room.get(place, params={"cursor": first["next"]})).json()
    assert ([item["run_id"] for item in rest["items"]], rest["next"]) == ([runs[2]], None)


async def test_a_canary_goes_first_and_the_rest_waits_to_be_resumed(room: Room) -> None:
    # Given an edit for a fifth of the runs first
    runs = await fleet(room, 10)
    place = await begun(room, canary_percent=20)
    # When those have it
    edit = await settled(room, place, "waiting")
    # Then no other has: they are the first by the hashes of their ids
    assert edit["counts"] == counted(applied=2, pending=8)
    assert list((await states(room, place)).items())[:3] == [
        (runs[0], "applied"),
        (runs[1], "applied"),
        (runs[2], "pending"),
    ]
    assert [(await room.run(run_id))["revision"] for run_id in runs] == [2] * 2 + [1] * 8
    # Until it is resumed
    assert (await room.post(f"{place}/resume")).status_code == 200
    await settled(room, place)
    assert [(await room.run(run_id))["revision"] for run_id in runs] == [2] * 10


async def test_no_more_runs_get_it_in_a_second_than_asked_for(room: Room) -> None:
    # When twelve runs are edited, ten in a second
    await fleet(room, 12)
    place = await begun(room, rate_per_s=10)
    edit = await settled(room, place)
    # Then eleven tenths of a second go by from the first to the last, and so at least as much for it all
    items = (await room.get(place)).json()["items"]
    assert max(item["decided_at"] for item in items) - edit["created_at"] >= 1_100


async def test_too_many_refusals_stop_it_until_it_is_resumed(room: Room) -> None:
    # Given runs of which every one refuses
    await fleet(room, 20, "ab")
    place = await begun(room, stop_on_error_share=0.1)
    # When two of what counts as ten have refused
    edit = await settled(room, place, "stopped")
    # Then it stops; what had begun by then is finished
    assert 2 <= edit["counts"]["refused"] <= 5
    # And resumed with patience it goes on to the end
    assert (await room.post(f"{place}/resume", {"stop_on_error_share": 1})).status_code == 200
    assert (await settled(room, place))["counts"] == counted(refused=20)


async def test_a_cancelled_edit_goes_to_no_further_run(room: Room) -> None:
    # Given an edit that takes its time
    await fleet(room, 5)
    place = await begun(room, rate_per_s=0.1)

    async def one_has_it() -> bool:
        return bool((await edit_at(room, place))["counts"]["applied"] == 1)

    await eventually(one_has_it)
    # When it is cancelled
    cancelled = await room.post(f"{place}/cancel")
    # Then the rest does not get it, and it cannot go on
    assert (cancelled.json()["status"], cancelled.json()["counts"]) == ("cancelled", counted(applied=1, pending=4))
    assert (await room.post(f"{place}/cancel")).status_code == 200
    again = await room.post(f"{place}/resume")
    assert (again.status_code, again.json()["code"]) == (409, "API061")


async def test_runs_that_end_before_their_turn_are_no_errors(room: Room) -> None:
    # Given an edit that waits behind its canary, and a run of the rest that ends meanwhile
    runs = await fleet(room, 4)
    place = await begun(room, canary_percent=25)
    await settled(room, place, "waiting")
    await room.post(f"/runs/{runs[3]}/cancel")
    await room.cleaned_up(runs[3])
    # When it goes on, at the least error to stop
    await room.post(f"{place}/resume", {"stop_on_error_share": 0})
    # Then it goes to its end
    assert (await settled(room, place))["counts"] == counted(applied=3, ended=1)


async def test_a_run_that_cannot_be_reached_is_tried_again_when_the_edit_is_resumed(room: Room, pool: Pool) -> None:
    # Given a run that is accepted, and not in Redis
    [run_id] = await fleet(room, 1)
    await room.dump()
    lost = [key for key in await room.ask(run_id, "KEYS", "*") if run_id.encode() in key]
    kept = [await room.ask(run_id, "DUMP", key) for key in lost]
    await room.ask(run_id, "DEL", *lost)
    # When it is to be edited
    place = await begun(room, stop_on_error_share=0)
    # Then that fails, for now
    assert (await settled(room, place, "stopped"))["counts"] == counted(failed=1)
    [item] = (await room.get(place)).json()["items"]
    assert (item["code"], run_id in item["message"]) == ("RUN006", True)
    # And once the run is back
    for key, value in zip(lost, kept, strict=True):
        await room.ask(run_id, "RESTORE", key, 0, value)
    await room.post(f"{place}/resume")
    assert (await settled(room, place))["counts"] == counted(applied=1)


async def test_running_tasks_can_be_cancelled_by_an_edit_that_says_so(room: Room) -> None:
    # Given runs in which a task is out
    [run_id] = await fleet(room, 1, "a")
    gone = [{"op": "remove", "path": "/edges/a->b"}, {"op": "remove", "path": "/edges/b->c"}]
    gone += [{"op": "remove", "path": "/nodes/b"}, {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "c"}}]
    # When its node is removed with everything else allowed for
    refused = (await room.post(EDITS, asked(operations=gone, dry_run=True))).json()
    place = await begun(room, operations=gone, on_running="cancel")
    # Then the task is cancelled, as it would not have been without
    assert (refused["counts"], (await settled(room, place))["counts"]) == (counted(refused=1), counted(applied=1))
    assert {name: node["status"] for name, node in (await room.run(run_id))["nodes"].items()} == {
        "a": "completed",
        "c": "dispatched",
    }


async def test_however_many_try_at_once_a_run_is_edited_once(room: Room) -> None:
    # Given several that believe to be the first
    [run_id] = await fleet(room, 1)
    operations = msgspec.Raw(msgspec.json.encode(TONE))
    edit = NewFleetEdit("edit_1", "row", 1, operations, "", "ann", "refuse", 10, 0.1)
    targets = Targets(room.services, edit)
    # When they try at the same moment, and one more later, who knows that others have tried
    tried = await asyncio.gather(*(targets.apply(RunId(run_id), is_again=False) for _ in range(4)))
    tried.append(await targets.apply(RunId(run_id), is_again=True))
    # Then all of them come to the same, and there is one patch
    assert tried == [Decision("applied", 2)] * 5
    assert len((await room.get(f"/runs/{run_id}/patches")).json()["taken"]) == 1
    # Even once the run is over
    for node in "abc":
        await room.complete(run_id, node)
    assert await targets.apply(RunId(run_id), is_again=True) == Decision("applied", 2)
    await room.cleaned_up(run_id)
    assert await targets.look_up(RunId(run_id)) == Decision("applied", 2)


async def test_an_edit_sent_twice_with_its_key_is_one_edit(room: Room) -> None:
    await fleet(room, 1)
    first, again = [await room.post(EDITS, asked(), headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 202, first.json()["id"])


async def test_what_is_no_edit_is_refused_before_any_run_is_asked(room: Room) -> None:
    # Given operations that are none, too many of them, and versions that never were
    bad = [TONE[0], {"op": "add", "path": "nodes"}, {"op": "paint", "path": ""}]
    answered = await room.post(EDITS, asked(operations=bad))
    assert (answered.status_code, codes(answered)) == (422, [("EDT003", "/operations/1")])
    assert codes(await room.post(EDITS, asked(operations=bad[::2]))) == [("EDT002", "/operations/1/op")]
    many = await room.post(EDITS, asked(operations=TONE * 300))
    assert (many.status_code, many.json()["code"]) == (422, "EDT051")
    assert (await room.post(EDITS, asked(operations=[]))).status_code == 422
    assert (await room.post(EDITS, asked(canary_percent=0))).status_code == 422
    assert (await room.post(EDITS, asked(version=2))).json()["code"] == "API010"
    assert (await room.post("/workflows/nobody/edits", asked())).json()["code"] == "API010"
    # Then there is no edit; and an edit is not found under another workflow
    place = await begun(room)
    elsewhere = await room.get(place.replace("/row/", "/column/"))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "API060")
    assert (await room.get(f"{EDITS}/edit_{'0' * 26}")).json()["code"] == "API060"


async def test_an_edit_of_no_runs_is_complete(room: Room) -> None:
    answered = await room.post(EDITS, asked())
    assert (answered.json()["status"], answered.json()["counts"]) == ("completed", counted())


async def test_a_process_that_drains_finishes_what_it_has_begun_and_leaves_the_rest_to_another(
    room: Room, settings: Settings
) -> None:
    # Given an edit on its way, and a second process
    await fleet(room, 10)
    place = await begun(room, rate_per_s=10)

    async def is_on_its_way() -> bool:
        return bool((await edit_at(room, place))["counts"]["applied"] >= 2)

    await eventually(is_on_its_way)
    async with room_on(settings) as other:
        # When the first drains
        room.service.drain.set()
        # Then nothing stays in its hands
        assert 0 < (await settled(room, place, "running"))["counts"]["pending"] < 9
        # And the second brings it to its end
        editing = asyncio.create_task(FleetEditor(other.services).run())
        assert (await settled(room, place))["counts"] == counted(applied=10)
        other.service.drain.set()
        await editing


# Processes that die -----------------------------------------------------------------------------------------------


@pytest.fixture
def environment(database: str, redis_db: str, tmp_path: Path) -> dict[str, str]:
    """Settings of a process on empty servers."""
    return {"DATABASE_URL": database, "REDIS_URL": redis_db, "PORT": "0", "POINTSMAN_DATA_DIR": str(tmp_path)}


async def forty(client: httpx.AsyncClient) -> list[str]:
    """As many runs of the workflow."""
    await client.post("/api/v1/workflows", json=ROW)
    answers = await asyncio.gather(*(client.post("/api/v1/runs", json={"workflow": "row"}) for _ in range(40)))
    return [answered.json()["run_id"] for answered in answers]


async def completed(client: httpx.AsyncClient, place: str) -> dict[str, Any]:
    """The edit, once it is complete."""

    async def is_complete() -> dict[str, Any] | None:
        edit: dict[str, Any] = (await client.get(place)).json()["edit"]
        return edit if edit["status"] == "completed" else None

    return await eventually(is_complete, 30)


async def patches_by_run(pool: Pool) -> Counter[str]:
    """How often each run was edited, whatever the edit says of it."""
    return Counter(row["run_id"] for row in await pool.fetch("SELECT run_id FROM patches"))


async def test_an_edit_whose_process_is_killed_goes_on_in_another_and_no_run_gets_it_twice(
    environment: dict[str, str], pool: Pool
) -> None:
    # Given an API process that dies having edited a run and not written that down, and more in hand
    dying = api(**environment, POINTSMAN_CRASH_AT="between_edit_and_item:7")
    async with started("supervisor", **environment), dying as (process, client):
        runs = await forty(client)
        answered = await client.post("/api/v1/workflows/row/edits", json=asked(rate_per_s=200))
        assert await process.wait() == -signal.SIGKILL
        left = await FleetEdits(pool).counts(answered.json()["id"])
        assert left["applied"] < 7 <= left["applied"] + left["applying"]
        # When two others come at once
        async with api(**environment) as (_, one), api(**environment) as (_, other):
            # Then they bring it to its end, and each run was edited once
            for caller in (one, other):
                assert (await completed(caller, answered.headers["location"]))["counts"] == counted(applied=40)
            assert await patches_by_run(pool) == dict.fromkeys(runs, 1)


async def test_what_a_dead_process_had_in_hand_is_cleared_up_after_a_cancel(
    environment: dict[str, str], pool: Pool
) -> None:
    # Given an edit that was cancelled after its process had died
    dying = api(**environment, POINTSMAN_CRASH_AT="between_edit_and_item:3")
    async with started("supervisor", **environment), dying as (process, client):
        await forty(client)
        answered = await client.post("/api/v1/workflows/row/edits", json=asked(rate_per_s=200))
        assert await process.wait() == -signal.SIGKILL
        edit_id = answered.json()["id"]
        assert await FleetEdits(pool).cancel(edit_id)
        # When another process comes
        async with api(**environment) as (_, caller):

            async def cleared() -> dict[str, int] | None:
                counts = (await caller.get(answered.headers["location"])).json()["edit"]["counts"]
                return counts if not counts["applying"] else None

            counts = await eventually(cleared)
            # Then the edit knows what every run has, and no run has got it since
            items = await FleetEdits(pool).items(edit_id, state="applied", limit=500)
            assert await patches_by_run(pool) == Counter(item.run_id for item in items)
            assert counts == counted(applied=len(items), pending=40 - len(items))
