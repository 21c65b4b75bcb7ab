"""Many runs at once: work enough to be interrupted."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from tests.integration.caller import Caller
from tests.integration.definitions import control, definition, edge, node

STEPS = ("a", "b", "c", "d", "e")


def chain() -> dict[str, Any]:
    """Five nodes in a row."""
    return definition(*(node(step, gives=step) for step in STEPS), "->".join(STEPS))


def everything() -> dict[str, Any]:
    """A fan-out and its join, a branch, and a loop of three passes, all of which hand on what they got."""
    sides = ("left", "right", "top")
    return definition(
        control("split", "parallel"),
        *(node(side, gives=side) for side in sides),
        node("both", "take"),
        *(f"split->{side}->both" for side in sides),
        edge("both->draft", when="output.left == 'left'"),
        "both->never",
        node("never"),
        node("draft", "count", **{"pass": "${loop.iteration}"}),
        node("review", "take", loop={"condition": "output.pass < 3", "max_iterations": 9, "loop_back_to": "draft"}),
        "draft->review->end",
        node("end", "take"),
    )


def rounds(count: int) -> dict[str, Any]:
    """A loop of so many passes over two nodes: a run that stays busy for a while."""
    loop = {"condition": f"output.pass < {count}", "max_iterations": count, "loop_back_to": "a"}
    return definition(node("a", "count", **{"pass": "${loop.iteration}"}), node("b", "take", loop=loop), "a->b")


def paced_rounds(count: int, pause_ms: int) -> dict[str, Any]:
    """The same with a pause in each pass: a run that stays busy as long on a fast machine."""
    loop = {"condition": f"output.pass < {count}", "max_iterations": count, "loop_back_to": "w"}
    pause = {"id": "w", "type": "wait", "wait": pause_ms}
    return definition(
        pause, node("a", "count", **{"pass": "${loop.iteration}"}), node("b", "take", loop=loop), "w->a->b"
    )


async def start_many(caller: Caller, made_of: dict[str, Any], count: int) -> list[str]:
    """Start runs side by side; their ids, all of them accepted."""
    return await asyncio.gather(*(caller.start(made_of) for _ in range(count)))


def neighbours(caller: Caller, count: int) -> list[str]:
    """Ids of so many runs that live in one partition."""
    names = (f"run_{uuid4().hex[:12]}" for _ in range(100 * len(caller.partitions)))
    return [name for name in names if caller.keys_of(name) is caller.partitions[0]][:count]


async def all_complete(caller: Caller, runs: list[str], output: Any, timeout: float = 30) -> None:
    """Wait for every run; each gave this output and went by the rules."""
    assert [await caller.completed(run, timeout) for run in runs] == [output] * len(runs)


async def is_under_way(caller: Caller, runs: list[str]) -> bool:
    """Whether there is still something to do for some of the runs."""
    ended = [await caller.has_ended(run) for run in runs if await caller.keys(run)]
    return not all(ended)
