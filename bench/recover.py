"""How long 10,000 open runs take to come back after Redis has lost everything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import redis.asyncio
import uvloop

from bench import plans
from bench.clock import nanoseconds
from bench.driver import PATIENCE_S, Driver
from bench.stack import Stack

RUNS: Final = 10_000
STEPS: Final = 10
_AT_ONCE: Final = 500
"""Accepted and started before the supervisor takes them for forgotten."""
_OPENINGS: Final = "SELECT restored FROM openings WHERE opened_at IS NOT NULL ORDER BY epoch"


async def recovered(data_dir: Path) -> dict[str, Any]:
    """Runs a second, from FLUSHALL to the moment that Redis takes changes again.

    The runs are chains of ten that have done some of their steps: five and a half events each, on average.
    """
    async with Stack(data_dir) as stack:
        driver = Driver(stack, str(data_dir))
        await asyncio.sleep(1)
        plan = plans.chain(driver.engine, STEPS)
        stack.hold("worker")
        for _ in range(RUNS // _AT_ONCE):
            await driver.start(plan, await driver.accept(plan, _AT_ONCE))
        stack.let_go("worker")
        await _until_half_done(driver, stack)
        stack.hold("worker")
        await driver.until_length("wf.signals", lambda length: length == 0)
        await driver.journalled()
        before = len(await stack.pool.fetch(_OPENINGS))
        began = nanoseconds()
        async with redis.asyncio.Redis.from_url(stack.redis.url) as client:
            await client.flushall()
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await stack.pool.fetch(_OPENINGS)) == before:
                await asyncio.sleep(0.05)
        took = (nanoseconds() - began) / 1e9
        stack.let_go("worker")
        restored = found[-1]["restored"]
    return {"recover.runs": restored, "recover.seconds": took, "recover.runs_per_s": restored / took}


async def _until_half_done(driver: Driver, stack: Stack) -> None:
    """Wait until the runs have made about half of their steps; none has ended then."""
    half = RUNS * STEPS // 2
    async with asyncio.timeout(PATIENCE_S):
        while await stack.pool.fetchval("SELECT count(*) FROM events") < RUNS + half:
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(uvloop.run(recovered(Path(scratch))), file=sys.stderr)
