"""The handlers of the integration tests: `python -m pointsman.worker tests.integration.handlers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointsman.worker import NonRetryable, Retryable, Task, Worker
from tests.support.waiting import eventually

worker = Worker("function", concurrency=32)


@worker.handler("give")
async def give(task: Task) -> Any:
    """Give what the config says; without it, who did what."""
    return task.config.get("gives", {"node": task.node_id, "attempt": task.attempt})


@worker.handler("take")
async def take(task: Task) -> Any:
    """Give the payload back, as it was handed over."""
    return task.payload


@worker.handler("measure")
def measure(task: Task) -> int:
    """Give the length of a text that is too large to travel along."""
    return len(task.payload["text"])


@worker.handler("count")
async def count(task: Task) -> dict[str, int]:
    """Give which pass this is, as the config has it."""
    return {"pass": task.config["pass"]}


@worker.handler("fail")
async def fail(task: Task) -> Any:
    """Fail, until the attempt that the config names if it names one."""
    if task.attempt == task.config.get("until"):
        return {"attempt": task.attempt}
    raise Retryable("not this time", type=task.config.get("type", "busy"))


@worker.handler("refuse")
async def refuse(task: Task) -> None:
    """Fail for good."""
    raise NonRetryable("it cannot be done", type="impossible")


@worker.handler("hold")
async def hold(task: Task) -> dict[str, Any]:
    """Tell that the task is here, and do it once there is a file of the config's name."""
    gate = Path(task.config["gate"])
    gate.with_name(f"held-{task.node_id}-{task.attempt}").touch()
    await eventually(gate.exists, timeout=60)
    return {"node": task.node_id, "attempt": task.attempt}
