"""`edit.*` under load: what fifty edits a second do to five hundred runs that move, by windows with and without."""

from __future__ import annotations

import asyncio
import json
from array import array
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any, NamedTuple

from bench.caller import Caller, calling
from bench.clock import nanoseconds
from bench.driver import Driver
from bench.edits import Operations, patched, planned
from bench.paced_worker import TYPE
from bench.stack import Stack
from pointsman.base.ids import RunId
from pointsman.definition import Document

RUNS, SHORTEST, LONGEST = 500, 10, 20
EDITS_PER_S = 50
LOAD = 0.7
WINDOW_S, EDITED_WINDOWS, SETTLE_S = 5.0, 5, 3.0


class Window(NamedTuple):
    """Some seconds of a load."""

    steps_per_s: float
    hop_p50_ms: float


async def under_load(data_dir: Path, steps_per_s: float) -> dict[str, float]:
    """500 runs that move at 70 % of `steps_per_s` in all, with 50 edits a second and without, by turns.

    Each window with edits is held against the two around it: a machine that is slow for a while is so for all three.
    """
    think_ms = 1_000 * RUNS / (LOAD * steps_per_s)
    told = data_dir / "hops"
    worker = ("bench.paced_worker", str(think_ms), str(told))
    async with Stack(data_dir / "stack", worker=worker, api=True) as stack, calling(stack) as caller:
        editing = Editing(caller, await going_round(Driver(stack, str(data_dir))))
        await asyncio.sleep(SETTLE_S)
        times = [await window(editing if number % 2 else None) for number in range(2 * EDITED_WINDOWS + 1)]
    windows = seen(array("q", told.read_bytes()), times)
    edited, without = windows[1::2], [windows[place : place + 3 : 2] for place in range(0, len(windows) - 1, 2)]
    beside = list(zip(edited, without, strict=True))
    return {
        "edit.load_steps_per_s": median(one.steps_per_s for one in windows[::2]),
        "edit.load_hop_p50_ms": median(one.hop_p50_ms for one in windows[::2]),
        "edit.throughput_ratio": median(
            one.steps_per_s / fmean(other.steps_per_s for other in others) for one, others in beside
        ),
        "edit.hop_ratio": median(
            one.hop_p50_ms / fmean(other.hop_p50_ms for other in others) for one, others in beside
        ),
        "edit.accepted_share": editing.answers.count(200) / len(editing.answers),
    }


def round_trip(length: int) -> Document:
    """A chain that goes round."""
    nodes: list[dict[str, Any]] = [{"id": f"s{number}", "type": TYPE} for number in range(length)]
    nodes[-1]["loop"] = {"condition": "true", "max_iterations": 10_000, "loop_back_to": "s0"}
    edges = [{"from": f"s{number}", "to": f"s{number + 1}"} for number in range(length - 1)]
    return {"name": f"round-{length}", "nodes": nodes, "edges": edges}


async def going_round(driver: Driver) -> dict[RunId, int]:
    """500 runs that go round, each with its length."""
    lengths = range(SHORTEST, LONGEST + 1)
    found: dict[RunId, int] = {}
    for length in lengths:
        document = round_trip(length)
        plan = planned(driver, document)
        count = RUNS // len(lengths) + (length - SHORTEST < RUNS % len(lengths))
        runs = await driver.accept(plan, count, json.dumps(document).encode())
        await driver.start(plan, runs)
        found |= dict.fromkeys((run.run_id for run in runs), length)
    return found


class Editing:
    """Edits of all runs by turns: each run is given a node beside its chain, and loses it with the next one.

    The node is behind one of the second half, so that most passes have not reached it when it is taken away.
    """

    def __init__(self, caller: Caller, runs: dict[RunId, int]) -> None:
        self.answers: list[int] = []
        self._caller = caller
        self._chance = Random(7)
        self._next = cycle(runs.items())
        self._edited: set[RunId] = set()

    async def keep_on(self, seconds: float) -> None:
        """Send so many a second, whatever becomes of them."""
        began = nanoseconds()
        async with asyncio.TaskGroup() as sent:
            for number in range(int(seconds * EDITS_PER_S)):
                await asyncio.sleep(max(number / EDITS_PER_S - (nanoseconds() - began) / 1e9, 0))
                sent.create_task(self._edit(*next(self._next)))

    async def _edit(self, run: RunId, length: int) -> None:
        is_there = run in self._edited
        answered = await patched(self._caller, run, _without() if is_there else self._with(length))
        self.answers.append(answered.status)
        if answered.status == 200:
            (self._edited.remove if is_there else self._edited.add)(run)
        elif answered.status != 409:
            raise RuntimeError(answered.body.decode())

    def _with(self, length: int) -> Operations:
        source = f"s{self._chance.randrange(length // 2, length - 1)}"
        added = [{"from": source, "to": "x", "id": "into"}, {"from": "x", "to": f"s{length - 1}", "id": "out"}]
        nodes = [{"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": TYPE}}]
        return nodes + [{"op": "add", "path": "/edges/-", "value": edge} for edge in added]


def _without() -> Operations:
    return [{"op": "remove", "path": path} for path in ("/edges/into", "/edges/out", "/nodes/x")]


async def window(editing: Editing | None) -> tuple[int, int]:
    """Let some seconds pass, with edits or without: when they began and ended."""
    began = nanoseconds()
    await (asyncio.sleep(WINDOW_S) if editing is None else editing.keep_on(WINDOW_S))
    return began, nanoseconds()


def seen(hops: array[int], times: list[tuple[int, int]]) -> list[Window]:
    """What the worker saw in each window."""
    found = []
    for begins, ends in times:
        took = [hop for at, hop in zip(hops[::2], hops[1::2], strict=True) if begins <= at < ends]
        found.append(Window(len(took) / ((ends - begins) / 1e9), median(took) / 1e6))
    return found
