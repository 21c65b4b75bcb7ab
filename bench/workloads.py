"""The workloads: W1 chains, W2 a lone run, W3 fan-outs, W4 loops, and what an active run costs in memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median, quantiles
from typing import NamedTuple

import msgspec

from bench import plans
from bench.driver import Driver
from bench.ping_pong import Client, ping_pong
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.base.ids import RunId
from pointsman.protocol.transition import decode_event

REPEATS = 3
ROUNDS = 9


class Hops(NamedTuple):
    """A distribution, in milliseconds."""

    p50: float
    p99: float


class LoneRuns(NamedTuple):
    """W2, each figure the median of all rounds; the ratios are those within a round."""

    p50_ms: float
    p99_ms: float
    floor_p50_ms: float
    own_floor_p50_ms: float
    ratio_to_floor: float
    p99_ratio_to_floor: float
    ratio_to_own_floor: float


async def chains(driver: Driver, runs: int = 1_000) -> float:
    """W1: steps a second of `runs` chains of 10 at once; the median of three."""
    plan = plans.chain(driver.engine, 10)
    await driver.timed(plan, runs // 5)
    return median([10 * runs / await driver.timed(plan, runs) for _ in range(REPEATS)])


async def lone_runs(driver: Driver) -> LoneRuns:
    """W2 beside its floor, by turns: a machine that is slow for a while is so for both."""
    await lone_run(driver)
    rounds = [await _round(driver) for _ in range(ROUNDS)]
    return LoneRuns(*map(median, zip(*rounds, strict=True)))


async def _round(driver: Driver) -> LoneRuns:
    floor, own = await floor_of_lone_run(driver, "redis-py"), await floor_of_lone_run(driver, "own")
    hops = await lone_run(driver)
    ratios = hops.p50 / floor.p50, hops.p99 / floor.p50, hops.p50 / own.p50
    return LoneRuns(hops.p50, hops.p99, floor.p50, own.p50, *ratios)


async def lone_run(driver: Driver, steps: int = 200) -> Hops:
    """One run, nothing else: from one handler call to the next, in each of a few runs."""
    plan = plans.chain(driver.engine, steps)
    gaps: list[float] = []
    for _ in range(REPEATS):
        [run] = await driver.accept(plan, 1)
        async with driver.ends() as ends:
            await driver.start(plan, [run])
            await anext(ends)
        await driver.journalled()
        seen = await _handled_at(driver, run.run_id)
        gaps += [(after - before) / 1e6 for before, after in pairwise(seen)]
    return hops_of(gaps)


async def floor_of_lone_run(driver: Driver, client: Client) -> Hops:
    """W2's floor: a bare ping-pong over two streams."""
    return hops_of(await ping_pong(driver.stack.redis.url, client))


async def fan_outs(driver: Driver, runs: int = 20, width: int = 100) -> float:
    """W3: steps a second of `runs` fan-outs of `width`, each joined; the median of three."""
    plan = plans.fan_out(driver.engine, width)
    await driver.timed(plan, 2)
    return median([runs * (width + 2) / await driver.timed(plan, runs) for _ in range(REPEATS)])


async def loops(driver: Driver, runs: int, passes: int = 50) -> float:
    """W4: passes a second of `runs` loops at once; the median of three."""
    plan = plans.loop(driver.engine, passes)
    await driver.timed(plan, 2)
    return median([runs * passes / await driver.timed(plan, runs) for _ in range(REPEATS)])


async def bytes_per_run(driver: Driver, runs: int = 500) -> float:
    """Bytes of Redis that an active run of 10 nodes takes: nine are done, the tenth waits for a worker."""
    plan = plans.chain(driver.engine, 10, last_type="nobody")
    await driver.journalled()
    before = await driver.used_memory()
    await driver.start(plan, await driver.accept(plan, runs))
    await driver.until_length("wf.tasks.nobody", lambda length: length == runs)
    await driver.journalled()
    return (await driver.used_memory() - before) / runs


async def _handled_at(driver: Driver, run: RunId) -> list[int]:
    """When each task of a chain was handled, as the worker's results say."""
    events = await PostgresJournal(driver.stack.pool).events(run, 0, 10_000)
    results = [result for event in events for result in decode_event(event.body).ended.values()]
    return [msgspec.json.decode(bytes(result.output.data))["at"] for result in results]


def hops_of(gaps: Sequence[float]) -> Hops:
    """The distribution of some times."""
    return Hops(median(gaps), quantiles(gaps, n=100)[98])
