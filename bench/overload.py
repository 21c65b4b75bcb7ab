"""`overload.*`: a hundred thousand runs that wait, what they cost, and what those that have begun feel of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import httpx

from bench import plans
from bench.clock import nanoseconds
from bench.driver import Driver
from bench.stack import Stack

RUNS = 100_000
PARTS = 4
BATCH = 1_000
CLIENTS, REQUESTS = 200, 3_000
_SIZE = "SELECT pg_total_relation_size('runs')"
_QUEUED = "SELECT count(*) FROM runs WHERE status = 'QUEUED'"
_OPEN = "SELECT count(*) FROM runs WHERE ended_at IS NULL"
_NOT_COMPLETED = "SELECT count(*) FROM runs WHERE status <> 'COMPLETED'"
_TOOK = "SELECT ended_at - started_at FROM runs WHERE ended_at IS NOT NULL"


class Held(NamedTuple):
    """What so many runs take."""

    runs: int
    postgres: int
    redis: int
    open_runs: int


async def overload(data_dir: Path, runs: int = RUNS) -> dict[str, float]:
    """Accept runs while nobody works, then let the worker go and wait for the last; then many clients at once."""
    async with Stack(data_dir / "stack", api=True) as stack:
        await asyncio.sleep(1)
        driver = Driver(stack, str(data_dir))
        plan = plans.chain(driver.engine, 2)
        stack.hold("worker")
        began, held = nanoseconds(), [await _held(stack, driver, 0)]
        for part in range(PARTS):
            for _ in range(runs // PARTS // BATCH):
                await driver.accept(plan, BATCH)
            held.append(await _held(stack, driver, (part + 1) * (runs // PARTS)))
        accepted_s = (nanoseconds() - began) / 1e9
        figures = _costs(held) | {"overload.runs": held[-1].runs, "overload.accepted_per_s": runs / accepted_s}
        figures |= {f"overload.{name}_mib": size for name, size in stack.rss().items()}
        began = nanoseconds()
        stack.let_go("worker")
        while await stack.pool.fetchval(_OPEN):
            await asyncio.sleep(0.2)
        figures["overload.ended_per_s"] = runs / ((nanoseconds() - began) / 1e9)
        figures["overload.not_completed"] = await stack.pool.fetchval(_NOT_COMPLETED)
        took = [row[0] for row in await stack.pool.fetch(_TOOK)]
        later = took[len(took) // 2 :]
        figures["overload.run_p50_ms"], figures["overload.run_p99_ms"] = median(later), quantiles(later, n=100)[98]
        return figures | await _many_clients(stack)


async def _held(stack: Stack, driver: Driver, runs: int) -> Held:
    queued = await stack.pool.fetchval(_QUEUED)
    return Held(runs, await stack.pool.fetchval(_SIZE), await driver.used_memory(), runs - queued)


def _costs(held: list[Held]) -> dict[str, float]:
    """What a run that waits costs, whether the last ones cost what the first ones did, and what Redis grew by."""
    first, middle, last = held[0], held[len(held) // 2], held[-1]
    early = (middle.postgres - first.postgres) / (middle.runs - first.runs)
    late = (last.postgres - middle.postgres) / (last.runs - middle.runs)
    return {
        "overload.postgres_bytes_per_run": (last.postgres - first.postgres) / last.runs,
        "overload.linearity": late / early,
        "overload.begun_while_nobody_works": last.open_runs,
        "overload.redis_mib": (last.redis - first.redis) / 2**20,
    }


async def _many_clients(stack: Stack) -> dict[str, float]:
    """How the API answers clients that all start runs at once: taken, told to come again, and how fast."""
    node = {"id": "a", "type": "bench", "config": {"handler": "noop"}}
    body = {"definition": {"name": "overload", "nodes": [node], "edges": []}}
    answers: list[tuple[int, float]] = []

    async def keep_sending(client: httpx.AsyncClient) -> None:
        for _ in range(REQUESTS // CLIENTS):
            began = nanoseconds()
            answered = await client.post("/api/v1/runs", json=body)
            answers.append((answered.status_code, (nanoseconds() - began) / 1e6))

    # A connection each time: one that is kept may be hung up on just when it is used again.
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stack.port}", timeout=60, limits=limits) as client:
        await asyncio.gather(*(keep_sending(client) for _ in range(CLIENTS)))
    taken = [ms for status, ms in answers if status == 201]
    turned_away = sum(status in (429, 503) for status, _ in answers)
    return {
        "overload.api_accepted": len(taken),
        "overload.api_turned_away": turned_away,
        "overload.api_failed": len(answers) - len(taken) - turned_away,
        "overload.api_accepted_p99_ms": quantiles(taken, n=100)[98],
    }
