"""Scale-out: W1 with 1, 2 and 4 coordinators, on one partition, on several of one server, and on those of a cluster.

What counts is how often coordinators meet on a run: a transition that another was quicker with is stepped again
(stale), and a snapshot that is not in the cache is read. How many steps a second come of it is bounded by the cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench import plans
from bench.driver import PATIENCE_S, Driver
from bench.stack import Stack, free_port
from pointsman.embedded.redis import EmbeddedRedis
from tests.support.cluster import PARTITIONS, RedisCluster

COORDINATORS: Final = (1, 2, 4)
RUNS: Final = 500
STEPS: Final = 10
ROUNDS: Final = 3

Servers = Callable[[Path], EmbeddedRedis | RedisCluster]

TOPOLOGIES: Final[dict[str, tuple[Servers, int]]] = {
    "one_partition": (lambda folder: EmbeddedRedis(folder, appendfsync="everysec"), 1),
    "partitions": (lambda folder: EmbeddedRedis(folder, appendfsync="everysec"), PARTITIONS),
    "cluster": (lambda folder: RedisCluster(folder, appendfsync="everysec"), PARTITIONS),
}


async def scaled(data_dir: Path) -> dict[str, Any]:
    """For each topology and number of coordinators: steps a second, and the shares of stale answers and cache hits."""
    figures: dict[str, Any] = {}
    for name, (servers, partitions) in TOPOLOGIES.items():
        folder = data_dir / name
        async with Stack(folder, redis=servers(folder / "redis"), partitions=partitions, coordinator=None) as stack:
            crew, driver = _Crew(stack, partitions), Driver(stack, str(folder))
            for wanted in COORDINATORS:
                await crew.grow(wanted)
                told = await crew.measure(driver)
                figures |= {f"scale.{name}_{wanted}_{key}": value for key, value in told.items()}
    return figures


class _Crew:
    """The coordinators of one stack, and what their metrics tell."""

    def __init__(self, stack: Stack, partitions: int) -> None:
        self._stack = stack
        self._partitions = partitions
        self._ports: list[int] = []

    async def grow(self, wanted: int) -> None:
        """Have so many, each with its share of the partitions."""
        for number in count(len(self._ports)):
            if number == wanted:
                break
            self._ports.append(free_port())
            settings = {"POINTSMAN_COORDINATOR_METRICS_PORT": str(self._ports[-1])}
            self._stack.start(f"coordinator_{number}", ["coordinator"], settings)
        async with asyncio.timeout(PATIENCE_S):
            while not await self._is_shared_out():
                await asyncio.sleep(0.1)

    async def measure(self, driver: Driver) -> dict[str, float]:
        """W1, the median of three rounds, and what the coordinators counted over all of them."""
        plan = plans.chain(driver.engine, STEPS)
        await driver.timed(plan, RUNS // 5)
        before = await self._counted()
        speed = median([STEPS * RUNS / await driver.timed(plan, RUNS) for _ in range(ROUNDS)])
        after = await self._counted()
        signals, stale, hits, misses = (now - then for now, then in zip(after, before, strict=True))
        return {"steps_per_s": speed, "stale_share": stale / signals, "hit_share": hits / (hits + misses)}

    async def _is_shared_out(self) -> bool:
        told = [await self._told(port, "pointsman_partitions_held") for port in self._ports]
        held = [own for own in told if own is not None]
        if len(held) < len(told):
            return False
        if self._partitions == 1:
            return True
        least, most = self._partitions // len(held), -(-self._partitions // len(held))
        return sum(held) == self._partitions and least <= min(held) and max(held) <= most

    async def _counted(self) -> list[float]:
        names = ("pointsman_signals", "pointsman_stale", "pointsman_cache_hits", "pointsman_cache_misses")
        told = [[await self._told(port, name) or 0 for port in self._ports] for name in names]
        return [sum(values) for values in told]

    async def _told(self, port: int, name: str) -> float | None:
        """What one coordinator says of a metric, all labels together; None where it does not answer yet."""
        async with httpx.AsyncClient() as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            except httpx.TransportError:
                return None
        for family in text_string_to_metric_families(answer.text):
            if family.name == name:
                return sum(sample.value for sample in family.samples if not sample.name.endswith("_created"))
        return 0.0
