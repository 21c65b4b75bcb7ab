"""Repair: one run is rebuilt from its journal, whatever has become of it in Redis, and goes on."""

from __future__ import annotations

import pytest

from pointsman.base.ids import RunId
from pointsman.execute import repair
from pointsman.protocol.state import Snapshot
from tests.api.room import CHAIN, Room, in_partitions

PATIENT = {
    "name": "patient",
    "nodes": [
        {"id": "a", "type": "function", "retry": {"max_attempts": 3, "backoff_ms": 60_000}},
        {"id": "nap", "type": "wait", "wait": 60_000},
        {"id": "b", "type": "mail"},
        {"id": "end", "type": "function"},
    ],
    "edges": [{"from": "a", "to": "end"}, {"from": "nap", "to": "end"}, {"from": "b", "to": "end"}],
}


async def snapshot(room: Room, run_id: str) -> Snapshot:
    return (await room.executor.store.load([RunId(run_id)]))[RunId(run_id)]


async def keys(room: Room, run_id: str) -> list[str]:
    return [name for name in await room.dump() if run_id in name.split(":")]


@in_partitions
async def test_a_run_of_which_nothing_is_left_is_there_again_as_it_was(room: Room) -> None:
    # Given a run with a result, an edit, a node that backs off, one that sleeps and one that is out
    run_id = await room.start(PATIENT, input={"n": 1}, run_id="run_1")
    await room.fail(run_id, "a", "busy")
    operations = [{"op": "replace", "path": "/nodes/end/type", "value": "mail"}]
    assert (await room.post(f"/runs/{run_id}/patch", {"operations": operations})).status_code == 200
    look = ("ZRANGE", room.partition(run_id).keys.timers, 0, -1, "WITHSCORES")
    before, clock = await snapshot(room, run_id), await room.ask(run_id, *look)
    await room.ask(run_id, "DEL", *await keys(room, run_id))
    # When it is repaired
    answered = await room.post(f"/runs/{run_id}/repair", {"reason": "somebody deleted it"})
    told = answered.json()
    assert (answered.status_code, told["status"], told["seq"]) == (200, "RUNNING", before.head.seq + 1)
    # Then it is as it was, and what was out is out once more, alone on its stream
    after = await snapshot(room, run_id)
    assert (after.results, after.joins, after.frames) == (before.results, before.joins, before.frames)
    assert (after.head.plan, after.head.revision, after.head.input) == (before.head.plan, 2, before.head.input)
    waiting = {name: token for name, token in before.tokens.items() if token.state != "dispatched"}
    assert {name: after.tokens[name] for name in waiting} == waiting
    assert {name: token.attempt for name, token in after.tokens.items() if token.state == "dispatched"} == {":b": 2}
    assert await room.ask(run_id, "XLEN", room.partition(run_id).keys.tasks("mail")) == 1
    assert await room.ask(run_id, *look) == clock


@in_partitions
async def test_a_run_with_a_part_missing_is_whole_again_and_goes_on(room: Room) -> None:
    # Given a run whose open token somebody deleted
    run_id = await room.start(CHAIN, run_id="run_1")
    await room.complete(run_id, "a", 1)
    await room.journal(run_id, 2)
    await room.ask(run_id, "HDEL", room.partition(run_id).keys.state(RunId(run_id))[2], ":b")
    # When it is repaired
    assert (await room.post(f"/runs/{run_id}/repair")).status_code == 200
    # Then it goes on to its end, by the result of either attempt
    await room.complete(run_id, "b", "done", attempt=1)
    await room.cleaned_up(run_id)
    run = await room.run(run_id)
    assert (run["status"], run["output"]) == ("COMPLETED", {"b": "done"})


async def test_a_run_that_was_edited_before_its_repair_can_be_edited_after_it(room: Room) -> None:
    run_id = await room.start(CHAIN, run_id="run_1")
    await room.complete(run_id, "a", 1)
    await room.journal(run_id, 2)
    await room.ask(run_id, "DEL", *await keys(room, run_id))
    assert (await room.post(f"/runs/{run_id}/repair")).status_code == 200
    more = [
        {"op": "add", "path": "/nodes/-", "value": {"id": "n", "type": "function"}},
        {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "n"}},
    ]
    patched = await room.post(f"/runs/{run_id}/patch", {"operations": more})
    assert (patched.status_code, [fired["node"] for fired in patched.json()["fired"]]) == (200, ["n"])


async def test_nothing_is_taken_away_while_the_journal_is_behind(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a run whose last event is not in Postgres yet
    monkeypatch.setattr(repair, "_ROUNDS", 2)
    run_id = await room.start(CHAIN, run_id="run_1")
    await room.journal(run_id, 1)
    room.writing.clear()
    await room.complete(run_id, "a", 1)
    before = await room.executor.store.dump()
    # When it is to be repaired, then that is refused for now, and nothing is different
    answered = await room.post(f"/runs/{run_id}/repair")
    assert (answered.status_code, answered.json()["code"]) == (503, "SRV060")
    assert await room.executor.store.dump() == before
    room.writing.set()
    await room.journal(run_id, 2)


async def test_only_open_runs_are_repaired(room: Room) -> None:
    run_id = await room.start(CHAIN, run_id="run_1")
    await room.post(f"/runs/{run_id}/cancel")
    refused = [await room.post(f"/runs/{name}/repair") for name in (run_id, "nowhere")]
    assert [(answered.status_code, answered.json()["code"]) for answered in refused] == [
        (409, "RUN004"),
        (404, "RUN005"),
    ]
