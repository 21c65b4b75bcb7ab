"""Commands: pause, resume, cancel. What is answered with 200 is durable."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator_api import commands
from pointsman.base.ids import RunId
from pointsman.settings import Settings
from tests.api.room import CHAIN, HELLO, Room, in_partitions, room_on
from tests.support.waiting import eventually


@in_partitions
async def test_a_paused_run_takes_results_and_dispatches_nothing(room: Room) -> None:
    # Given a run with a task out
    run_id = await room.start(CHAIN)
    # When it is paused
    paused = await room.post(f"/runs/{run_id}/pause", {"reason": "the mail server is down"})
    assert (paused.status_code, paused.json()) == (
        200,
        {"run_id": run_id, "status": "PAUSED", "seq": 2, "changed": True, "reason": ""},
    )
    # Then it takes the result, and what follows waits
    await room.complete(run_id, "a")
    run = await room.run(run_id)
    assert (run["status"], run["nodes"]["b"]["status"]) == ("PAUSED", "waiting")
    # Until it is resumed
    resumed = await room.post(f"/runs/{run_id}/resume")
    assert (resumed.json()["status"], resumed.json()["seq"]) == ("RUNNING", 4)
    assert (await room.run(run_id))["nodes"]["b"]["status"] == "dispatched"
    # And who paused it, and why, is in its history
    events = (await room.get(f"/runs/{run_id}/events")).json()["events"]
    assert (events[1]["type"], events[1]["by"], events[1]["reason"]) == ("pause", "local", "the mail server is down")


async def test_a_command_with_nothing_to_change_says_so(room: Room) -> None:
    run_id = await room.start(HELLO)
    answered = await room.post(f"/runs/{run_id}/resume")
    assert (answered.status_code, answered.json()) == (
        200,
        {"run_id": run_id, "status": "RUNNING", "seq": 1, "changed": False, "reason": "not_paused"},
    )


@in_partitions
async def test_a_cancelled_run_is_final_for_every_command(room: Room) -> None:
    # Given a cancelled run
    run_id = await room.start(HELLO)
    cancelled = await room.post(f"/runs/{run_id}/cancel", {"reason": "enough"})
    assert (cancelled.json()["status"], cancelled.json()["changed"]) == ("CANCELLED", True)
    run = await room.run(run_id)
    assert (run["error"], run["open_tokens"]) == ({"type": "cancelled", "message": "enough"}, 0)
    # Then no command changes it, before it leaves Redis and after
    for _ in range(2):
        for verb in ("pause", "resume", "cancel"):
            answered = await room.post(f"/runs/{run_id}/{verb}")
            assert (answered.status_code, answered.json()["code"]) == (409, "RUN004")
        await room.cleaned_up(run_id)
    assert await room.run(run_id) == run


async def test_a_command_is_not_answered_before_the_journal_has_passed_it(room: Room) -> None:
    # Given a journal that stands still
    run_id = await room.start(HELLO)
    await room.journal(run_id, 1)
    room.writing.clear()
    # When a run is paused
    pausing = asyncio.create_task(room.post(f"/runs/{run_id}/pause"))

    async def paused() -> bool:
        return bool((await room.run(run_id))["status"] == "PAUSED")

    await eventually(paused)
    # Then there is no answer yet, though Redis has done it
    assert not pausing.done()
    # Until it is durable
    room.writing.set()
    assert (await pausing).status_code == 200
    assert await room.services.records.journal.position(RunId(run_id)) == 2


async def test_a_command_the_journal_does_not_pass_is_not_called_done(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given no supervisor at all
    monkeypatch.setattr(commands, "DURABLE_S", 0.05)
    async with room_on(settings) as room:
        run_id = await room.start(HELLO)
        key = {"Idempotency-Key": "k"}
        # When a run is paused, then the caller is told how it stands
        answered = await room.post(f"/runs/{run_id}/pause", headers=key)
        assert (answered.status_code, answered.json()["code"]) == (503, "API016")
        assert (await room.run(run_id))["status"] == "PAUSED"
        # And the request is not begun again
        again = await room.post(f"/runs/{run_id}/pause", headers=key)
        assert (again.status_code, again.json()["code"]) == (409, "API014")


async def test_a_command_sent_twice_with_its_key_is_carried_out_once(room: Room) -> None:
    # Given a pause with a key, undone since
    run_id = await room.start(HELLO)
    key = {"Idempotency-Key": "k"}
    first = await room.post(f"/runs/{run_id}/pause", headers=key)
    await room.post(f"/runs/{run_id}/resume")
    # When it is sent again, then it is answered as before and nothing is paused
    again = await room.post(f"/runs/{run_id}/pause", headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (again.headers["idempotency-replayed"], again.headers["content-type"]) == ("true", "application/json")
    assert (await room.run(run_id))["status"] == "RUNNING"
    # And another body with that key is refused, another run is not
    other = await room.post(f"/runs/{run_id}/pause", {"reason": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "API013")
    elsewhere = await room.start(HELLO)
    assert (await room.post(f"/runs/{elsewhere}/pause", headers=key)).json()["changed"]


async def test_a_key_whose_request_was_refused_may_be_used_again(room: Room) -> None:
    run_id = await room.start(HELLO)
    key = {"Idempotency-Key": "k"}
    unreadable = await room.post(f"/runs/{run_id}/pause", {"reason": 1}, headers=key)
    assert unreadable.status_code == 422
    assert (await room.post(f"/runs/{run_id}/pause", headers=key)).status_code == 200
    # And one that cannot stand in a header of ours is none
    bad = await room.post(f"/runs/{run_id}/pause", headers={"Idempotency-Key": "a b"})
    assert bad.json()["errors"][0]["pointer"] == "/header/Idempotency-Key"


async def test_a_run_that_is_accepted_but_not_in_redis_is_to_be_asked_again(settings: Settings) -> None:
    # Given a run that was accepted while Redis was away
    async with room_on(settings) as room:
        await room.services.live.partitions.aclose()
        run_id = await room.start(HELLO)
    # When it is commanded while Redis is back, but no supervisor has started it yet
    async with room_on(settings) as room:
        answered = await room.post(f"/runs/{run_id}/cancel")
        assert (answered.status_code, answered.json()["code"]) == (503, "RUN006")
        assert (await room.run(run_id))["status"] == "QUEUED"


async def test_a_command_to_a_run_that_never_was_is_not_found(room: Room) -> None:
    answered = await room.post("/runs/nowhere/cancel")
    assert (answered.status_code, answered.json()["code"]) == (404, "RUN005")
