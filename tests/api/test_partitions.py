"""Sixteen partitions of which one is closed: its runs wait, and all others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.ids import RunId, partition_of
from pointsman.settings import Settings
from tests.api.room import HELLO, Room, journalled, room_on
from tests.support.unreachable import without

CLOSED = 3


@pytest.fixture
def partitions() -> int:
    return 16


@pytest.fixture
async def room(settings: Settings) -> AsyncIterator[Room]:
    """An API on sixteen partitions, and their journal."""
    async with room_on(settings) as room, journalled(room):
        yield room


async def lose(partition: Partition) -> None:
    """What a partition's server does that lost its state."""
    await partition.connection.ask("DEL", partition.keys.epoch)


def living_in(numbers: set[int]) -> str:
    """The id of a run in one of these partitions."""
    return next(name for name in (f"run_{n}" for n in range(1_000)) if partition_of(RunId(name), 16) in numbers)


def others() -> set[int]:
    return set(range(16)) - {CLOSED}


async def readiness(room: Room) -> tuple[int, bool, dict[str, str]]:
    answered = await room.client.get("/readyz")
    told: dict[str, Any] = answered.json()
    return answered.status_code, told["ready"], told["reasons"]


async def test_only_runs_of_the_closed_partition_are_refused(room: Room) -> None:
    # Given a partition that lost its state, and an API that has noticed
    await lose(room.services.live.partitions.all[CLOSED])
    await readiness(room)
    ours, theirs = living_in({CLOSED}), living_in(others())
    # When runs are started in it and elsewhere
    refused = await room.post("/runs", {"definition": HELLO, "run_id": ours})
    started = await room.start(HELLO, run_id=theirs)
    # Then only its own is refused, for now
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "SRV061", "1")
    assert (await room.get(f"/runs/{ours}")).status_code == 404
    assert (await room.run(started))["nodes"]["greet"]["status"] == "dispatched"


async def test_a_fork_is_refused_where_the_partition_of_the_fork_is_closed(room: Room) -> None:
    # Given a run in an open partition
    run_id = await room.start(HELLO, run_id=living_in(others()))
    await room.journal(run_id, 1)
    await lose(room.services.live.partitions.all[CLOSED])
    await readiness(room)
    # When it is forked into the closed one, and into its own
    refused = await room.post(f"/runs/{run_id}/fork", {"seq": 1, "run_id": living_in({CLOSED})})
    forked = await room.post(f"/runs/{run_id}/fork", {"seq": 1, "run_id": living_in(others() - {own(run_id)})})
    # Then the first alone is refused
    assert (refused.status_code, refused.json()["code"]) == (503, "SRV061")
    assert forked.status_code == 201


def own(run_id: str) -> int:
    return partition_of(RunId(run_id), 16)


async def test_a_run_of_the_closed_partition_is_shown_and_takes_no_command(room: Room) -> None:
    # Given a run whose partition loses its state after the run's first event was journalled
    run_id = await room.start(HELLO, run_id=living_in({CLOSED}))
    await room.journal(run_id, 1)
    await lose(room.services.live.partitions.all[CLOSED])
    # When it is looked at and commanded
    shown, refused = await room.run(run_id), await room.post(f"/runs/{run_id}/pause")
    # Then it is there, and to be commanded again later
    assert shown["status"] == "RUNNING"
    assert (refused.status_code, refused.json()["code"]) == (503, "SRV061")


async def test_readiness_names_the_partitions_that_are_closed(room: Room) -> None:
    # Given sixteen open partitions
    assert await readiness(room) == (200, True, {})
    # When one is closed, and then all are
    await lose(room.services.live.partitions.all[CLOSED])
    status, is_ready, reasons = await readiness(room)
    for partition in room.services.live.partitions.all:
        await lose(partition)
    without = await readiness(room)
    # Then the process serves as long as there is one, and says which are not
    assert (status, is_ready, reasons["redis"][:6]) == (200, True, "SRV061")
    assert reasons["redis"].endswith(" (partition 3 of 16)")
    assert (without[0], without[1], without[2]["redis"][-18:]) == (503, False, " 13, 14, 15 of 16)")


async def test_runs_of_other_partitions_go_on_while_a_server_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an API that begins while the server of two partitions is away, the one with the first clock among them
    opened = await Partitions.connected(settings.redis_dsn, 16)
    away = without(opened, 0, CLOSED)

    async def connected(url: str, count: int) -> Partitions:
        return away

    monkeypatch.setattr(Partitions, "connected", connected)
    async with room_on(settings) as room:
        # When runs are started there and elsewhere
        waits = await room.start(HELLO, run_id=living_in({CLOSED}))
        runs = await room.start(HELLO, run_id=living_in(others() - {0}))
        # Then the one waits for the supervisor, the other has its task out
        assert (await room.run(waits))["status"] == "QUEUED"
        assert (await room.run(runs))["nodes"]["greet"]["status"] == "dispatched"
        assert (await readiness(room))[2]["redis"].endswith("SRV001 nobody is there. (partitions 0, 3 of 16)")
    await opened.aclose()


async def test_task_types_are_counted_over_all_partitions(room: Room) -> None:
    # Given runs in several partitions
    runs = [await room.start(HELLO, run_id=f"run_{number}") for number in range(6)]
    assert len({own(run) for run in runs}) > 1
    # When it is asked what waits for workers
    told = (await room.get("/task-types")).json()
    # Then each type is told once
    assert told == {"types": [{"type": "function", "tasks": 6, "waiting": 6, "served": False}]}
