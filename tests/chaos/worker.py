"""The worker of the harness: `python -m pointsman.worker tests.chaos.worker`. It does as a node's config says."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from pointsman.worker import NonRetryable, Retryable, Task, Worker
from tests.chaos.ledger import FOLDER, Ledger
from tests.support.waiting import let_pass

TYPE = "chaos"
worker = Worker(TYPE, concurrency=256)


@cache
def ledger() -> Ledger:
    """This process's ledger, opened by its first task."""
    return Ledger(Path(os.environ[FOLDER]))


@worker.handler("do")
async def do(task: Task) -> Any:
    """Take some time, then fail as often as the config says, or give what it says."""
    config, attempt = task.config, task.attempt
    ledger().write("handed", task, task.payload)
    await let_pass(config["ms"] / 1000)
    if attempt < config.get("hangs_until", 1):
        await let_pass(config["hangs_ms"] / 1000)
    if attempt < config.get("fails_until", 1):
        ledger().write("failed", task, "busy")
        raise Retryable("not this time", type="busy")
    if config.get("refuses"):
        ledger().write("failed", task, "impossible")
        raise NonRetryable("it cannot be done", type="impossible")
    output = {"node": task.node_id, "attempt": attempt, "by": os.getpid(), **config.get("gives", {})}
    ledger().write("reported", task, output)
    return output
