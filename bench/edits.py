"""`edit.*` of a run that is alone: what previews and patches of a large one and of a busy one take, through the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from bench.caller import Answer, Caller, calling
from bench.clock import nanoseconds
from bench.driver import PATIENCE_S, Driver
from bench.stack import Stack
from bench.workloads import Hops, hops_of
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.base.ids import RunId
from pointsman.compile import compile_source
from pointsman.definition import Document
from pointsman.plan import Plan
from pointsman.protocol.transition import decode_event

Operations = list[dict[str, Any]]

STAGES, WIDTH = 50, 8
PREVIEWS, PATCHES, LOOP_PATCHES = 300, 150, 100
WARM_UP = 20


async def alone(data_dir: Path) -> dict[str, float]:
    """Previews and patches of a run of 500 nodes, and of one that goes round as fast as it can; nothing else runs."""
    async with Stack(data_dir / "stack", api=True) as stack, calling(stack) as caller:
        driver = Driver(stack, str(data_dir))
        run = await half_executed(driver)
        chance = Random(3)
        previews = await timed(PREVIEWS, lambda _: preview(caller, run, any_edit(chance)))
        effects = await effective(driver, caller, run)
        landings = await landing(driver, caller)
    return {
        "edit.preview_p50_ms": previews.p50,
        "edit.preview_p99_ms": previews.p99,
        "edit.effective_p50_ms": effects.p50,
        "edit.effective_p99_ms": effects.p99,
        "edit.loop_p50_ms": landings.p50,
        "edit.loop_p99_ms": landings.p99,
    }


def stages() -> Document:
    """500 nodes: 50 times a node, eight behind it of which two have conditions, and one that joins them.

    The first half has a worker.
    """
    nodes: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for stage in range(STAGES):
        kind = "bench" if stage < STAGES // 2 else "nobody"
        prompt = f"stage {stage}: ${{ctx.gate{stage}.output.at}} of ${{run.id}}"
        wide = [f"w{stage}x{number}" for number in range(WIDTH)]
        nodes.append({"id": f"gate{stage}", "type": kind, "config": {"handler": "noop"}, "route": "all"})
        nodes += [
            {
                "id": name,
                "type": kind,
                "config": {"handler": "noop", "prompt": prompt},
                "retry": {"max_attempts": 3},
                "timeout_ms": 60_000,
            }
            for name in wide
        ]
        nodes.append({"id": f"join{stage}", "type": kind, "config": {"handler": "noop"}})
        edges += [{"from": f"gate{stage}", "to": name} for name in wide]
        edges[-1]["when"], edges[-2]["when"] = "output.at < 0", "output.at > 0"
        edges += [{"from": name, "to": f"join{stage}"} for name in wide]
        if stage:
            edges.append({"from": f"join{stage - 1}", "to": f"gate{stage}"})
    return {"name": "stages", "nodes": nodes, "edges": edges}


async def half_executed(driver: Driver) -> RunId:
    """A run of 500 nodes, half of which have ended."""
    document = stages()
    run = await started(driver, document)
    waiting = f":gate{STAGES // 2}"
    async with asyncio.timeout(PATIENCE_S):
        while (await driver.store.load([run]))[run].tokens.keys() != {waiting}:
            await asyncio.sleep(0.05)
    await driver.journalled()
    return run


async def started(driver: Driver, document: Document) -> RunId:
    """A run of a definition."""
    plan = planned(driver, document)
    [run] = await driver.accept(plan, 1, json.dumps(document).encode())
    await driver.start(plan, [run])
    return run.run_id


def planned(driver: Driver, document: Document) -> Plan:
    """The plan of a definition."""
    return compile_source(document, driver.engine, name=str(document["name"]))[1].plan


def behind(source: str, name: str) -> Operations:
    """A node that a worker does at once, behind another."""
    value = {"id": name, "type": "bench", "config": {"handler": "noop", "saw": f"${{ctx.{source}.output.at}}"}}
    return [
        {"op": "add", "path": "/nodes/-", "value": value},
        {"op": "add", "path": "/edges/-", "value": {"from": source, "to": name}},
    ]


def any_edit(chance: Random) -> Operations:
    """A node behind one that has ended or that has not, another config, a node less: each as likely."""
    stage, number = chance.randrange(STAGES // 2), chance.randrange(WIDTH - 2)
    later = f"w{STAGES // 2 + stage}x{number}"
    into, out = f"/edges/gate{STAGES // 2 + stage}->{later}", f"/edges/{later}->join{STAGES // 2 + stage}"
    edits: list[Operations] = [
        behind(f"w{stage}x{number}", "added"),
        behind(later, "added"),
        [{"op": "replace", "path": f"/nodes/{later}/config/prompt", "value": "say ${run.id}"}],
        [{"op": "remove", "path": path} for path in (into, out, f"/nodes/{later}")],
    ]
    return chance.choice(edits)


async def preview(caller: Caller, run: RunId, operations: Operations) -> None:
    """Ask what a patch would do."""
    await taken(caller, run, operations, "?dry_run=true")


async def taken(caller: Caller, run: RunId, operations: Operations, options: str = "") -> None:
    """Patch a run."""
    _must(await patched(caller, run, operations, options))


def _must(answer: Answer) -> None:
    if answer.status != 200:
        raise RuntimeError(answer.body.decode())


async def patched(caller: Caller, run: RunId, operations: Operations, options: str = "") -> Answer:
    """The answer to a patch."""
    return await caller.call("PATCH", f"/api/v1/runs/{run}{options}", json.dumps(operations).encode())


async def timed(count: int, call: Callable[[int], Awaitable[None]]) -> Hops:
    """How long calls take, one after the other with pauses, the first few left out."""
    took = []
    for number in range(count + WARM_UP):
        began = nanoseconds()
        await call(number)
        took.append((nanoseconds() - began) / 1e6)
        await asyncio.sleep(0.01)
    return hops_of(took[WARM_UP:])


async def effective(driver: Driver, caller: Caller, run: RunId) -> Hops:
    """From the call of a patch that adds a node behind one that has ended to the worker's having that node's task."""
    called: dict[str, int] = {}

    async def add(number: int) -> None:
        name = f"added{number}"
        called[f":{name}"] = nanoseconds()
        await taken(caller, run, behind(f"w{number % (STAGES // 2)}x{number % (WIDTH - 2)}", name))

    await timed(PATCHES, add)
    await driver.journalled()
    handled = await _handled_at(driver, run)
    return hops_of([(handled[token] - at) / 1e6 for token, at in called.items()][WARM_UP:])


async def landing(driver: Driver, caller: Caller) -> Hops:
    """How long a patch takes, until it is durable, on a lone run that goes round as fast as it can (W4)."""
    passes = 1_000_000
    again = {"condition": f"output.n < {passes}", "max_iterations": passes, "loop_back_to": "body"}
    body = {"id": "body", "type": "bench", "config": {"handler": "count", "n": "${ loop.iteration }"}, "loop": again}
    limits = {"max_loop_iterations": passes, "max_tokens": 10 * passes}
    document = {"name": "round", "nodes": [body], "edges": [], "metadata": {"limits": limits}}
    run = await started(driver, document)
    took = await timed(LOOP_PATCHES, lambda number: taken(caller, run, behind("body", f"added{number}")))
    await driver.cancel(run)
    return took


async def _handled_at(driver: Driver, run: RunId) -> dict[str, int]:
    """When each task was handled, as the worker's results say."""
    events = await PostgresJournal(driver.stack.pool).events(run, 0, 10_000)
    ended = {token: result for event in events for token, result in decode_event(event.body).ended.items()}
    outputs = {token: bytes(result.output.data) for token, result in ended.items()}
    return {token: msgspec.json.decode(data)["at"] for token, data in outputs.items() if data}
