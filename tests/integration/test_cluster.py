"""What happens to a cluster only: a partition moves to another node, and a node is away while the others go on."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from pointsman.adapters.redis.keys import PUSHED
from pointsman.embedded.redis import EmbeddedRedis
from tests.integration.caller import Caller
from tests.integration.definitions import by_hand, definition, node
from tests.integration.load import all_complete, chain, is_under_way, neighbours, rounds, start_many
from tests.support.cluster import RedisCluster
from tests.support.waiting import eventually

pytestmark = pytest.mark.on_cluster


@pytest.fixture
def cluster(caller: Caller) -> RedisCluster:
    """The Redis of the system."""
    assert isinstance(caller.system.redis, RedisCluster)
    return caller.system.redis


def place_of(caller: Caller, cluster: RedisCluster, run: str) -> EmbeddedRedis:
    """The node that a run lives on."""
    return cluster.node_of(caller.keys_of(run).epoch)


async def test_a_partition_moves_to_another_node_and_its_runs_go_on_there(
    caller: Caller, cluster: RedisCluster
) -> None:
    # Given runs at work, and one whose task somebody holds
    one, other = neighbours(caller, 2)
    task_type = f"moved_{uuid4().hex[:8]}"
    await caller.start(definition(by_hand("a", task_type), node("b", gives=2), "a->b"), run_id=one)
    (task,) = await caller.take(task_type)
    runs = await start_many(caller, rounds(30), 20)
    assert await is_under_way(caller, runs)
    # When the slot of its partition is moved, with all that is in it
    source = place_of(caller, cluster, one)
    target = next(node for node in cluster.nodes if node is not source)
    await asyncio.to_thread(cluster.move, caller.keys_of(one).epoch, target)
    assert place_of(caller, cluster, one) is target
    # Then the result of who held the task counts, and runs start there
    await caller.complete(task, 1)
    assert await caller.completed(one) == {"b": 2}
    await caller.start(chain(), run_id=other)
    assert await caller.completed(other) == {"e": "e"}
    # And all others come to their ends, wherever they are
    await all_complete(caller, runs, {"b": {"pass": 30}})
    # And the same holds when it is moved back
    again = await start_many(caller, rounds(30), 20)
    await asyncio.to_thread(cluster.move, caller.keys_of(one).epoch, source)
    await all_complete(caller, again, {"b": {"pass": 30}})


@pytest.mark.parametrize("it_has", ["the first partition", "nothing of that kind"])
async def test_a_node_that_is_away_delays_the_runs_of_its_own_partitions_only(
    caller: Caller, cluster: RedisCluster, it_has: str
) -> None:
    # Given runs at work on every node, each of which writes down what it says
    cluster.configure("appendfsync", "always")
    first, public = cluster.node_of("{0}"), cluster.node_of(PUSHED)
    others = (node for node in cluster.nodes if node not in (first, public))
    dead = first if it_has == "the first partition" else next(others)
    runs = await start_many(caller, rounds(40), 24)
    elsewhere = [run for run in runs if place_of(caller, cluster, run) is not dead]
    assert await is_under_way(caller, runs)
    # When one of them dies
    await asyncio.to_thread(dead.kill)
    # Then the runs of the others come to their ends
    for run in elsewhere:
        await eventually(lambda run=run: has_completed(caller, run), timeout=30)
    # And once it is back, so do its own, and nothing was done twice
    await asyncio.to_thread(cluster.start)
    await all_complete(caller, runs, {"b": {"pass": 40}})
    assert all(caller.system.is_alive(name) for name in caller.system.modules)


async def has_completed(caller: Caller, run: str) -> bool:
    """As far as the journal knows."""
    return bool((await caller.run(run))["status"] == "COMPLETED")
