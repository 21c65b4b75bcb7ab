"""Workers for the tests of the command line; `pointsman dev --worker` starts them."""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.worker import NonRetryable, Retryable, Task, Worker

worker = Worker("cli_test")


@worker.handler("pass")
async def pass_on(task: Task) -> Any:
    """Give what the config says."""
    return task.config.get("gives")


@worker.handler("second_time")
async def second_time(task: Task) -> str:
    """Succeed at the second attempt."""
    if task.attempt == 1:
        raise Retryable("not yet", type="Busy")
    return "at last"


@worker.handler("fail")
async def fail(task: Task) -> None:
    """Fail for good."""
    raise NonRetryable("it cannot be done", type="Impossible")


@worker.handler("hold")
async def hold(task: Task) -> None:
    """Hold on to the task until its run is cancelled."""
    await asyncio.Event().wait()
