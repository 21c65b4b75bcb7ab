"""What tests may expect of the cluster they are given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from tests.support.cluster import PARTITIONS, RedisCluster
from tests.support.topology import talking_to
from tests.support.waiting import eventually_sync

NAMES = tuple(f"{{{number}}}kept" for number in range(PARTITIONS))
"""A key in each partition."""


@pytest.fixture
async def client(redis_cluster: RedisCluster) -> AsyncIterator[Any]:
    """A client of the cluster, which is empty and written down at once."""
    redis_cluster.flush()
    redis_cluster.configure("appendfsync", "always")
    async with redis_cluster.client() as client:
        yield client
    redis_cluster.configure("appendfsync", "everysec")


def sizes(cluster: RedisCluster) -> list[int]:
    """How many keys each server has."""
    found = []
    for node in cluster.nodes:
        with talking_to(node) as one:
            found.append(one.dbsize())
    return found


async def test_every_server_of_the_cluster_holds_some_partitions(redis_cluster: RedisCluster, client: Any) -> None:
    for name in NAMES:
        await client.set(name, 1)
    assert (sum(sizes(redis_cluster)), min(sizes(redis_cluster)) > 1) == (PARTITIONS, True)
    redis_cluster.flush()
    assert sizes(redis_cluster) == [0, 0, 0]


async def test_the_url_of_a_cluster_names_its_servers(redis_cluster: RedisCluster) -> None:
    account, _, places = redis_cluster.url.rpartition("@")
    assert places == ",".join(f"127.0.0.1:{node.port}" for node in redis_cluster.nodes) + "/0"
    for node in redis_cluster.nodes:
        with redis.Redis.from_url(f"{account}@127.0.0.1:{node.port}/0") as one:
            assert one.cluster("info")["cluster_state"] == "ok"


async def test_a_slot_moves_to_another_server_with_all_it_holds(redis_cluster: RedisCluster, client: Any) -> None:
    # Given two keys of one slot
    await client.set("{3}one", 1)
    await client.rpush("{3}two", 2)
    source = redis_cluster.node_of("{3}")
    target = next(node for node in redis_cluster.nodes if node is not source)
    # When it is moved
    redis_cluster.move("{3}", target)
    # Then all servers say where it is, and so it can be moved back
    assert redis_cluster.node_of("{3}") is target
    assert (await client.get("{3}one"), await client.lrange("{3}two", 0, -1)) == (b"1", [b"2"])
    redis_cluster.move("{3}", source)
    assert redis_cluster.node_of("{3}") is source


async def test_a_server_that_is_down_takes_only_its_own_partitions_with_it(
    redis_cluster: RedisCluster, client: Any
) -> None:
    # Given a key in each partition
    for name in NAMES:
        await client.set(name, name)
    dead, *rest = redis_cluster.nodes
    theirs = [name for name in NAMES if redis_cluster.node_of(name) is not dead]
    # When one of the servers dies
    dead.kill()
    try:
        assert not redis_cluster.running
        # Then the others notice, and serve what is theirs
        eventually_sync(lambda: all(given_up(node) for node in rest))
        assert [await client.get(name) for name in theirs] == [name.encode() for name in theirs]
    finally:
        redis_cluster.start()
    # And when it is back, nothing is missing
    async with redis_cluster.client() as anew:
        assert [await anew.get(name) for name in NAMES] == [name.encode() for name in NAMES]


def given_up(node: Any) -> bool:
    """Whether a server holds another one to be dead."""
    with talking_to(node) as one:
        told = one.cluster("info")
    return bool(told["cluster_state"] == "ok" and told["cluster_slots_fail"] != "0")
