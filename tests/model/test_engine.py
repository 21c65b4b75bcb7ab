"""Random runs, driven through the engine and every store: see `tests.model.machine`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from tests.conformance.worlds import MemoryWorld, RedisWorld, RoutedWorld
from tests.model.machine import EngineMachine
from tests.model.stores import FoldStore, Store, WorldStore
from tests.support.cluster import RedisCluster
from tests.support.driven import RUN
from tests.support.servers import open_all_fences, open_fence
from tests.support.topology import Topology

STEPS = 40


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Runs what is asynchronous."""
    with asyncio.Runner() as runner:
        yield runner


Emptied = Callable[[], Coroutine[Any, Any, RedisWorld]]


@pytest.fixture
def emptied(topology: Topology, runner: asyncio.Runner, request: pytest.FixtureRequest) -> Iterator[Emptied]:
    """Makes a world on a Redis that was emptied for it."""
    if topology == "one":
        yield partial(_on_one, request.getfixturevalue("redis_db"))
        return
    cluster = request.getfixturevalue("redis_cluster")
    partitions = runner.run(Partitions.open(cluster.url, cluster.partitions))
    yield partial(_on_cluster, cluster, partitions)
    runner.run(partitions.aclose())


def drive(machine: type[EngineMachine], share: Fraction = Fraction(1)) -> None:
    """Run a machine for a share of the profile's examples.

    What fails is made smaller only where time does not matter: that may take minutes. The message has plan and log.
    """
    profile = settings()
    chosen = settings(
        max_examples=max(1, int(profile.max_examples * share)),
        stateful_step_count=STEPS,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[phase for phase in profile.phases if phase != Phase.shrink or not profile.derandomize],
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_the_engine_alone_agrees_with_the_reference() -> None:
    class OnTheFold(EngineMachine):
        def open_store(self) -> Store:
            return FoldStore()

    drive(OnTheFold, Fraction(3))


def test_the_engine_on_the_memory_store_agrees_with_the_reference(runner: asyncio.Runner) -> None:
    class OnMemory(EngineMachine):
        def open_store(self) -> Store:
            return WorldStore(MemoryWorld(), runner)

    drive(OnMemory)


@pytest.mark.on_both
def test_the_engine_on_redis_agrees_with_the_reference(
    runner: asyncio.Runner, emptied: Emptied, topology: Topology
) -> None:
    class OnRedis(EngineMachine):
        def open_store(self) -> Store:
            self.world = runner.run(emptied())
            return WorldStore(self.world, runner)

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                runner.run(self.world.aclose())

    drive(OnRedis, Fraction(3, 5) if topology == "one" else Fraction(1, 5))


async def _on_one(url: str) -> RedisWorld:
    partition = await Partition.open(url)
    await partition.connection.ask("FLUSHDB")
    await partition.aclose()
    open_fence(url)
    return RedisWorld(await Partition.open(url))


async def _on_cluster(cluster: RedisCluster, partitions: Partitions) -> RedisWorld:
    cluster.flush()
    open_all_fences(cluster)
    await asyncio.gather(*(partition.rejoin() for partition in partitions.all))
    return RoutedWorld(partitions, RUN)
