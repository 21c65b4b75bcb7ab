"""The no-op worker: answers every task with a result of 100 bytes that says when it was handled."""

from __future__ import annotations

from typing import Any

from bench.clock import nanoseconds
from pointsman.worker import Task, Worker

PADDING = "x" * 66

worker = Worker("bench", concurrency=256)


@worker.handler("noop", inline=True)
def noop(task: Task) -> dict[str, Any]:
    """100 bytes of JSON, the time of handling among them."""
    return {"at": nanoseconds(), "pad": PADDING}


@worker.handler("count", inline=True)
def count(task: Task) -> dict[str, Any]:
    """The same, for loops: the pass is in `n`, so that the condition has something to read."""
    return {"at": nanoseconds(), "pad": PADDING, "n": task.config["n"]}
