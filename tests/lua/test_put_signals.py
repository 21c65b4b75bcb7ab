"""put_signals, and the intake over several partitions that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis import intake as module
from pointsman.adapters.redis.intake import RoutedIntake
from pointsman.adapters.redis.partitions import Partitions
from pointsman.base.ids import RunId, partition_of
from tests.lua.conftest import FillMemory
from tests.support.servers import open_fences
from tests.support.stories import completed_signal

COUNT = 3
PUSHED, STAGING = "completion_signals", "{completion_signals}.staging"


@pytest.fixture
async def partitions(redis_db: str) -> AsyncIterator[Partitions]:
    """Three partitions on one server."""
    open_fences(redis_db, COUNT)
    opened = await Partitions.open(redis_db, COUNT)
    yield opened
    await opened.aclose()


@pytest.fixture
async def intake(partitions: Partitions) -> AsyncIterator[RoutedIntake]:
    """The intake of the process that holds partition 0."""
    made = RoutedIntake(partitions, is_ours=lambda: True)
    yield made
    await made.aclose()


def signals_of(number: int) -> Iterator[str]:
    """Signals for runs of one partition."""
    for place in range(10_000):
        run = RunId(f"run_{place}")
        if partition_of(run, COUNT) == number:
            yield completed_signal(run, ":a").decode()


async def streams(operator: Redis) -> list[list[str]]:
    """What stands on the signals streams."""
    found: list[list[str]] = []
    for number in range(COUNT):
        entries: list[Any] = await operator.xrange(f"{{{number}}}wf.signals")
        found.append([fields["signal"] for _, fields in entries])
    return found


async def test_each_signal_goes_to_the_partition_of_its_run(intake: RoutedIntake, operator: Redis) -> None:
    # Given signals for runs of all partitions, one that names no run, and one that a dead process left in between
    wanted = [[next(signals_of(number))] for number in range(COUNT)]
    left, *others = [signal for few in wanted for signal in few]
    await operator.rpush(STAGING, left)
    await operator.rpush(PUSHED, *others, "no signal")
    # When they are taken in
    moved = await intake.intake(0)
    # Then each stands where its run is, what names none in the first partition, and nothing is left
    assert moved == 4
    assert await streams(operator) == [[*wanted[0], "no signal"], wanted[1], wanted[2]]
    assert await operator.exists(PUSHED, STAGING) == 0
    assert await intake.intake(1) == 0


async def test_an_intake_of_several_partitions_waits_for_the_first_push(intake: RoutedIntake, operator: Redis) -> None:
    # Given an intake that waits
    signal = next(signals_of(2))
    waiting = asyncio.create_task(intake.intake(60_000))
    await asyncio.sleep(0)
    # When a worker pushes a signal
    await operator.rpush(PUSHED, signal)
    # Then it is on its stream
    assert await waiting == 1
    assert await streams(operator) == [[], [], [signal]]


async def test_signals_of_several_partitions_come_in_when_memory_is_full(
    intake: RoutedIntake, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a signal that was pushed just before memory was full, when BLMOVE is refused
    await intake.intake(1)
    signal = next(signals_of(1))
    await operator.rpush(PUSHED, signal)
    await fill_memory()
    # When it is taken in, and then nothing more comes
    moved = [await intake.intake(1), await intake.intake(1)]
    # Then it is on the stream
    assert moved == [1, 0]
    assert await streams(operator) == [[], [signal], []]


async def test_signals_of_a_lost_partition_stay_and_the_others_come_in(
    intake: RoutedIntake, operator: Redis, redis_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a partition that lost its state, more signals for it than are looked at in one go, and one behind them
    monkeypatch.setattr(module, "_AWAY_S", 0.0)
    monkeypatch.setattr(module, "BATCH", 4)
    lost = [signal for signal, _ in zip(signals_of(1), range(9), strict=False)]
    other = next(signals_of(2))
    await operator.rpush(PUSHED, *lost, other)
    await operator.delete("{1}epoch")
    # When they are taken in
    moved = [await intake.intake(1), await intake.intake(1)]
    # Then that one came through, and those of the lost partition wait where they were
    assert moved == [1, 0]
    assert await streams(operator) == [[], [], [other]]
    assert await operator.lrange(PUSHED, 0, -1) == lost
    # And come in when it is open again
    open_fences(redis_db, COUNT)
    while await operator.llen(PUSHED):
        await intake.intake(1)
    assert await streams(operator) == [[], lost, [other]]


async def test_who_lost_the_list_to_another_removes_nothing_from_it(partitions: Partitions, operator: Redis) -> None:
    # Given a process that was away between adding a signal and removing it, and is not the one for it any more
    late = RoutedIntake(partitions, is_ours=lambda: False)
    signal = next(signals_of(0))
    await operator.rpush(PUSHED, signal)
    # When it goes on
    moved = await late.intake(0)
    await late.aclose()
    # Then the list is as it was: what stands on it by now may be another signal of the same words
    assert moved == 0
    assert await operator.lrange(PUSHED, 0, -1) == [signal]
