"""`python -m bench` (and `make bench`, `pointsman bench`): every workload beside its floor, a table, and JSON.

`python -m bench overload` (and `make overload`) measures the one that takes long.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop

from bench import workloads
from bench.driver import Driver
from bench.edits import alone
from bench.edits_under_load import under_load
from bench.floor import FloorDriver
from bench.overload import overload
from bench.recover import recovered
from bench.report import save, show
from bench.scale import scaled
from bench.stack import Stack


def told(what: str) -> None:
    """Say what is being done: it takes a while."""
    print(what, file=sys.stderr, flush=True)


async def measured(data_dir: str) -> dict[str, Any]:
    """The figures, by name."""
    figures: dict[str, Any] = {}
    async with Stack(Path(data_dir) / "engine") as stack:
        driver = Driver(stack, data_dir)
        await asyncio.sleep(1)
        told("W2: lone runs, and ping-pong")
        figures |= {f"w2.{name}": value for name, value in (await workloads.lone_runs(driver))._asdict().items()}
        told("W1: chains")
        figures["w1.steps_per_s"] = await workloads.chains(driver)
        rss = stack.rss()
        figures |= {f"memory.{name}_mib": held for name, held in rss.items()}
        told("W3: fan-outs")
        figures["w3.steps_per_s"] = await workloads.fan_outs(driver)
        told("W4: loops")
        figures["w4.iterations_per_s"] = await workloads.loops(driver, 50)
        figures["w4.lone_iterations_per_s"] = await workloads.loops(driver, 1)
        figures["memory.redis_bytes_per_run"] = await workloads.bytes_per_run(driver)
    told("W1's floor")
    async with Stack(Path(data_dir) / "floor", coordinator="bench.floor_coordinator") as stack:
        await asyncio.sleep(1)
        figures["w1.floor_steps_per_s"] = await workloads.chains(FloorDriver(stack, data_dir))
    figures["w1.ratio_to_floor"] = figures["w1.steps_per_s"] / figures["w1.floor_steps_per_s"]
    told("edits of a run alone")
    figures |= await alone(Path(data_dir) / "edits")
    told("edits under load")
    figures |= await under_load(Path(data_dir) / "load", figures["w1.steps_per_s"])
    told("scale-out")
    figures |= await scaled(Path(data_dir) / "scale")
    told("recovery")
    figures |= await recovered(Path(data_dir) / "recover")
    return figures


async def overloaded(data_dir: str) -> dict[str, Any]:
    """The figures of overload alone, which take ten minutes to come by."""
    told("overload: a hundred thousand runs that wait")
    return dict(await overload(Path(data_dir) / "overload"))


def main() -> int:
    """Measure, show and save; 1 where a figure that binds falls short."""
    measure = overloaded if sys.argv[1:] == ["overload"] else measured
    with tempfile.TemporaryDirectory() as data_dir:
        figures = uvloop.run(measure(data_dir))
    save(figures)
    return 0 if show(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
