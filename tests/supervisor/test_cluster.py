"""A supervisor over a cluster of three real servers, of which one dies: the partitions on the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.base.ids import RunId
from tests.cli.conftest import call
from tests.supervisor.spread import Spread, spread_over
from tests.support.cluster import RedisCluster
from tests.support.processes import started
from tests.support.waiting import eventually


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> Iterator[RedisCluster]:
    """A cluster that holds nothing, and is whole again after the test."""
    redis_cluster.start()
    redis_cluster.flush()
    yield redis_cluster
    redis_cluster.start()


async def are_over(spread: Spread, runs: list[RunId]) -> bool:
    return await spread.statuses(runs) == {"COMPLETED"}


async def test_while_a_node_is_away_a_supervisor_begins_and_serves_the_others(
    cluster: RedisCluster, database: str, tmp_path: Path
) -> None:
    count = cluster.partitions
    settings = {
        "DATABASE_URL": database,
        "REDIS_URL": cluster.url,
        "POINTSMAN_DATA_DIR": str(tmp_path),
        "POINTSMAN_PARTITIONS": str(count),
    }
    async with spread_over(count, database, cluster.url) as spread:
        # Given runs on all nodes, one of which dies, and the supervisor with it
        async with started("supervisor", **settings):
            await eventually(spread.is_open)
            runs = await spread.under_way(30)
            await eventually(lambda: spread.are_written(runs, 2))
        lost, dead = [], cluster.nodes[0]
        for partition in spread.partitions.all:
            if cluster.node_of(partition.keys.epoch) is dead:
                lost.append(partition.number)
        kept = [run for run in runs if spread.partitions.of(run).number not in lost]
        dead.kill()
        # When another supervisor begins, then runs on the nodes that are there go on
        async with started("supervisor", **settings):
            for run in kept:
                await spread.complete(run, "b", "c")
            await eventually(lambda: are_over(spread, kept), timeout=30)
            # And whoever looks is told which partitions are away, and that nothing else is wrong
            doctor = await asyncio.to_thread(call, "doctor", "--json", **settings)
            (told,) = (each["detail"] for each in doctor.json["checks"] if each["check"] == "partitions")
            assert told.startswith(f"of {count} these cannot be asked: {', '.join(map(str, lost))}. SRV0")
            recover = await asyncio.to_thread(call, "recover", **settings)
            assert recover.code == 1
            assert recover.out.startswith("No partition was recovered: ")
            assert [f"partition {number} cannot be asked: " in recover.err for number in lost] == [True] * len(lost)
            # And once it is back its partitions are opened, and no others
            cluster.start()
            await eventually(lambda: are_open(spread, lost), timeout=30)
            left = [run for run in runs if run not in kept]
            for run in left:
                await spread.complete(run, "b", "c")
            await eventually(lambda: are_over(spread, left), timeout=30)
        first, again = ("first_opening", 0), ("server_restarted", 0)
        assert await spread.openings() == {
            number: [first, again] if number in lost else [first] for number in range(count)
        }
        assert await spread.alarms() == []


async def are_open(spread: Spread, numbers: list[int]) -> bool:
    """Whether changes pass in all of these partitions."""
    return all([await spread.partitions.all[number].rejoin() for number in numbers])
