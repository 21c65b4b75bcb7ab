"""Workers on a Redis Cluster: a node that is down costs what it holds, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from pointsman.settings import WorkerSettings
from tests.support.cluster import PARTITIONS, RedisCluster
from tests.support.servers import open_all_fences
from tests.support.waiting import eventually
from tests.worker.at_work import AtWork, Streams, at_work
from tests.worker.test_several_partitions import run_in
from tests.worker.test_shift import Gate, gated

QUICK = WorkerSettings(heartbeat_ms=50, lease_ms=1_000)
MOVED = 3


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> RedisCluster:
    """An empty cluster, all partitions of which are open."""
    redis_cluster.start()
    redis_cluster.flush()
    open_all_fences(redis_cluster)
    return redis_cluster


@asynccontextmanager
async def at_work_on(
    cluster: RedisCluster, gate: Gate, concurrency: int | None = None, client: Any = None
) -> AsyncIterator[AtWork]:
    """A worker that does whatever it is given as soon as the gate is open."""
    worker, client = gated(gate, concurrency), client or cluster.client()
    async with at_work(cluster.url, worker, client=client, partitions=PARTITIONS, worker=QUICK) as work:
        yield work


def held_by_each(cluster: RedisCluster) -> list[list[int]]:
    """The partitions that each node holds."""
    nodes = [cluster.node_of(tag(number)) for number in range(PARTITIONS)]
    return [[number for number, at in enumerate(nodes) if at is node] for node in cluster.nodes]


def tag(number: int) -> str:
    """What the slot of a partition is found by."""
    return f"{{{number}}}"


async def give(work: AtWork, node: str, *numbers: int) -> None:
    """Hand out a task of this node in each of these partitions."""
    for number in numbers:
        await work.parts[number].give(run=run_in(number), node=node)


async def is_registered(work: AtWork, number: int) -> bool:
    """Whether a worker is on the list of this partition."""
    return work.shift.consumer in await work.registries[number].registered()


async def nodes_reported(part: Streams, last: str) -> set[str]:
    """The nodes whose results are there once one of them is: a result may come twice."""

    async def reported() -> set[str]:
        nodes = {signal["node_id"] for signal in await part.signals(1)}
        return nodes if last in nodes else set()

    return await eventually(reported)


async def test_while_a_node_is_down_others_are_served_and_it_is_when_it_is_back(cluster: RedisCluster) -> None:
    gate = Gate()
    async with at_work_on(cluster, gate) as work, AsyncExitStack() as later:
        # Given a task in the worker's hands for each node
        lost, *others = held_by_each(cluster)
        kept = [number for numbers in others for number in numbers]
        await give(work, "begun", *(numbers[0] for numbers in (lost, *others)))
        await eventually(lambda: gate.inside == 3)
        # When one dies, and work ends and comes meanwhile
        cluster.nodes[0].kill()
        gate.open.set()
        await give(work, "meanwhile", *kept)
        # Then the others are served, and what was done for the dead one's run is kept
        for number in kept:
            assert "meanwhile" in await nodes_reported(work.parts[number], "meanwhile")
        await eventually(lambda: f"results_{lost[0]}" in work.service.health.reasons)
        # And a worker that is started now is there for the others
        late = await later.enter_async_context(at_work_on(cluster, gate, client=work.streams.redis))
        both = {worker.shift.consumer: ("function",) for worker in (work, late)}
        assert [await late.registries[number].registered() for number in kept] == [both] * len(kept)
        # Until it is back, more than a lease later, and is served like the others
        cluster.start()
        assert [await work.registries[number].lost() for number in kept] == [{}] * len(kept)
        open_all_fences(cluster)
        await nodes_reported(work.parts[lost[0]], "begun")
        await give(work, "afterwards", *lost)
        for number in lost:
            assert "afterwards" in await nodes_reported(work.parts[number], "afterwards")
            await eventually(partial(is_registered, late, number))
        await eventually(lambda: work.service.health.is_ready and late.service.health.is_ready)


async def test_a_node_that_hangs_has_slots_reserved_in_vain_once(
    cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.worker.sharing_reader._TAKING_S", 0.3)
    gate = Gate()
    with capture_logs() as logs:
        async with at_work_on(cluster, gate, concurrency=1) as work:
            # Given a worker with one slot, and tasks in all partitions of a node that hangs as soon as one has begun
            lost, *others = held_by_each(cluster)
            kept = [number for numbers in others for number in numbers]
            for node in ("a", "b"):
                await give(work, node, *lost)
            await eventually(lambda: gate.inside == 1)
            os.kill(cluster.nodes[0].pid, signal.SIGSTOP)
            try:
                # When the slot is free, and others have tasks
                gate.open.set()
                await give(work, "meanwhile", *kept)
                for number in kept:
                    await nodes_reported(work.parts[number], "meanwhile")
                # Then one of those partitions at most had the slot while it said nothing
                assert sum("has not answered for 0.3 s" in str(line) for line in logs) <= 1
            finally:
                os.kill(cluster.nodes[0].pid, signal.SIGCONT)
                cluster.start()


async def test_a_worker_follows_a_partition_to_another_node(cluster: RedisCluster) -> None:
    gate = Gate()
    gate.open.set()
    source = cluster.node_of(tag(MOVED))
    async with at_work_on(cluster, gate) as work:
        # Given a partition that is served
        await give(work, "before", MOVED)
        assert await nodes_reported(work.parts[MOVED], "before") == {"before"}
        # When its slot is moved, and opened where it is now
        cluster.move(tag(MOVED), next(node for node in cluster.nodes if node is not source))
        open_all_fences(cluster)
        await give(work, "after", MOVED)
        # Then it is served there
        assert await nodes_reported(work.parts[MOVED], "after") == {"before", "after"}
    cluster.move(tag(MOVED), source)
