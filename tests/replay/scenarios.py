"""What is recorded: a few runs that meet, between them, everything that can happen to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from pointsman.base.ids import RunId, TokenId
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Completed, Failed, TimerFired, WorkerLost
from pointsman.protocol.state import Snapshot
from tests.api.room import Room

Node = dict[str, Any]
Scenario = Callable[[Room], Awaitable[str]]
"""Drives a run as far as it is to go; its id."""
LARGE = "x" * 40_000


def task(name: str, **more: Any) -> Node:
    """A node that a worker executes."""
    return {"id": name, "type": "function", **more}


def edges(*ways: str, **more: Any) -> list[dict[str, Any]]:
    """Edges out of `a->b->c`."""
    pairs = [pair for way in ways for names in [way.split("->")] for pair in pairwise(names)]
    return [{"from": source, "to": target, **more} for source, target in pairs]


async def branches_and_joins(room: Room) -> str:
    """A branch that is taken, one that is not, joins of both kinds, an error edge, an output in the blob store."""
    nodes = [task(name) for name in ("a", "b", "c", "d", "rescue")]
    nodes += [task("all"), task("any", join="any"), {"id": "pick", "type": "conditional"}]
    ways = [*edges("a->b->all", "a->c->all", "b->any", "c->any", "all->pick"), *edges("d->rescue", on="error")]
    ways += [*edges("pick->d", when="output.b.x > 0"), *edges("pick->any")]
    run = await room.start({"name": "branches", "nodes": nodes, "edges": ways}, input={"n": 1})
    await room.complete(run, "a", {"x": 1, "large": LARGE})
    await room.complete(run, "b", {"x": 2})
    await room.complete(run, "c", {"x": 3})
    await onwards(room, run, failing={"d"})
    return run


async def loops_in_loops(room: Room) -> str:
    """A loop in a loop, left in the middle of an inner pass: outer ones have ended, and inner ones."""
    inner = {"condition": "output.x < loop.iteration + 1", "max_iterations": 3, "loop_back_to": "try"}
    outer = {"condition": "true", "max_iterations": 4, "loop_back_to": "draft"}
    nodes = [
        task("plan"),
        task("draft"),
        task("try"),
        task("check", loop=inner),
        task("score", loop=outer),
        task("end"),
    ]
    ways = [*edges("plan->draft->try->check->score->end")]
    run = await room.start({"name": "loops", "nodes": nodes, "edges": ways})
    for _ in range(15):
        await one_step(room, run)
    return run


async def retries_and_timers(room: Room) -> str:
    """Attempts that fail, time out and lose their worker, a wait, and a failure that a policy goes on after."""
    retry = {"max_attempts": 3, "backoff_ms": 1_000}
    nodes = [
        task("a", retry=retry, timeout_ms=60_000),
        {"id": "rest", "type": "wait", "wait": 5_000},
    ]
    nodes += [task("hopeless"), task("behind"), task("last", deadline_ms=90_000)]
    definition = {"name": "retries", "nodes": nodes, "edges": edges("a->rest->last", "hopeless->behind")}
    run = await room.start({**definition, "metadata": {"failure_policy": "continue"}})
    await room.fail(run, "a")
    await fire(room, run, "retry::a")
    await room.take(WorkerLost(RunId(run), TokenId(":a"), 2, "worker-1"))
    await room.fail(run, "hopeless", "bad")
    await room.post(f"/runs/{run}/pause", {"reason": "lunch"})
    await room.complete(run, "a", {"x": 1}, attempt=3)
    await room.post(f"/runs/{run}/resume")
    await fire(room, run, "wait::rest")
    await onwards(room, run)
    return run


async def edited_on_the_way(room: Room) -> str:
    """Edits beside the running node, one that restarts it, one that takes a node back; then on to the end."""
    nodes = [task("a"), task("b", config={"prompt": "short"}), task("c")]
    run = await room.start({"name": "edited", "nodes": nodes, "edges": edges("a->b->c")})
    await room.complete(run, "a", {"x": 1})
    added = [{"op": "add", "path": "/nodes/-", "value": task("beside")}]
    await edit(room, run, [*added, {"op": "add", "path": "/edges/-", "value": {"from": "a", "to": "beside"}}])
    await edit(room, run, [{"op": "replace", "path": "/nodes/b/config/prompt", "value": "long"}], "restart")
    removed = [{"op": "remove", "path": "/edges/a->beside"}, {"op": "remove", "path": "/nodes/beside"}]
    await edit(room, run, removed, "cancel")
    await onwards(room, run)
    return run


async def forked_and_cancelled(room: Room) -> str:
    """A run that was forked from the second pass of a loop in another, and cancelled."""
    loop = {"condition": "output.x < 3", "max_iterations": 5, "loop_back_to": "draft"}
    nodes = [task("begin"), task("draft"), task("score", loop=loop), task("end")]
    origin = await room.start({"name": "forked", "nodes": nodes, "edges": edges("begin->draft->score->end")})
    for name, x in (("begin", 0), ("score[1]:draft", 1), ("score[1]:score", 1), ("score[2]:draft", 2)):
        await room.complete(origin, name, {"x": x})
    change = await room.complete(origin, "score[2]:score", {"x": 3})
    await room.journal(origin, change.seq)
    run: str = (await room.post(f"/runs/{origin}/fork", {"from_node": "score", "reason": "again"})).json()["run_id"]
    await room.complete(run, "score[2]:score", {"x": 2})
    await room.complete(run, "score[3]:draft", {"x": 2})
    await room.post(f"/runs/{run}/cancel", {"reason": "enough"})
    return run


async def parked_and_redriven(room: Room) -> str:
    """A node that is parked, redriven with another payload, and parked again: the run stays open."""
    metadata = {"failure_policy": "park"}
    run = await room.start({"name": "parked", "nodes": [task("a")], "edges": [], "metadata": metadata})
    change = await room.fail(run, "a")
    await room.journal(run, change.seq)
    (letter,) = (await room.get("/dead-letters", params={"run": run})).json()["letters"]
    redriven = await room.post(f"/dead-letters/{letter['id']}/redrive", {"input": {"x": 7}})
    assert redriven.status_code == 200, redriven.text
    await room.fail(run, "a", attempt=2)
    return run


SCENARIOS: dict[str, Scenario] = {
    made.__name__: made
    for made in (
        branches_and_joins,
        loops_in_loops,
        retries_and_timers,
        edited_on_the_way,
        forked_and_cancelled,
        parked_and_redriven,
    )
}


async def edit(room: Room, run: str, operations: list[dict[str, Any]], on_running: str = "refuse") -> None:
    """Patch a run."""
    answered = await room.post(f"/runs/{run}/patch", {"operations": operations}, params={"on_running": on_running})
    assert answered.status_code == 200, answered.text


async def fire(room: Room, run: str, timer: str) -> None:
    """A timer of a run comes due."""
    snapshot = await room.executor.load(RunId(run))
    armed = {name: timer for state in snapshot.tokens.values() for name, timer in state.timers.items()}
    name = next(name for name in armed if name == timer)
    await room.take(TimerFired(RunId(run), name, armed[name].generation))


async def one_step(room: Room, run: str, failing: frozenset[str] | set[str] = frozenset()) -> Snapshot:
    """A worker of the first task that is out answers, or fails; the run before that."""
    snapshot = await room.executor.load(RunId(run))
    token, state = min((token, state) for token, state in snapshot.tokens.items() if state.state == "dispatched")
    if token.partition(":")[2] in failing:
        await room.take(Failed(RunId(run), token, state.attempt, "boom", "it broke"))
    else:
        await room.take(Completed(RunId(run), token, state.attempt, inline({"x": len(token) % 4})))
    return snapshot


async def onwards(room: Room, run: str, failing: frozenset[str] | set[str] = frozenset()) -> None:
    """Workers answer until nothing is out."""
    while (await room.executor.store.load([RunId(run)])).get(RunId(run)) is not None:
        snapshot = await room.executor.load(RunId(run))
        if not any(state.state == "dispatched" for state in snapshot.tokens.values()):
            return
        await one_step(room, run, failing)
        if (await room.executor.store.load([RunId(run)]))[RunId(run)].is_final:
            return
