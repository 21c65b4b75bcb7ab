"""The worker of the harness: `python -m pointsman.worker tests.chaos.worker`. It does as a node's config says."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from pointsman.worker import NonRetryable, Retryable, Task, Worker
from tests.chaos.ledger import FOLDER, Ledger
from tests.support.cluster import client_of
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
    if config.get("refuses") or config.get("wants", task.payload) != task.payload:
        ledger().write("failed", task, "impossible")
        raise NonRetryable("it cannot be done", type="impossible")
    output: dict[str, Any] = {"node": task.node_id, "attempt": attempt, "by": os.getpid(), **config.get("gives", {})}
    if "pads" in config:
        output["pad"] = "x" * config["pads"]
    ledger().write("reported", task, output)
    if "again_ms" in config:
        pushing = asyncio.create_task(_push_again(task, output, config["again_ms"]))
        _pushing.add(pushing)
        pushing.add_done_callback(_pushing.discard)
    return output


_pushing: set[asyncio.Task[None]] = set()


async def _push_again(task: Task, output: dict[str, Any], later_ms: int) -> None:
    """Report a result that is reported anyway once more: on the public list, as any worker may, and late."""
    told = {"version": "1.0", "job_id": task.job_id, "run_id": task.run_id, "node_id": task.node_id}
    await let_pass(later_ms / 1000)
    body = json.dumps({**told, "status": "completed", "result_data": output})
    with suppress(RedisError, OSError):
        async with client_of(os.environ["REDIS_URL"]) as redis:
            await redis.rpush("completion_signals", body)
