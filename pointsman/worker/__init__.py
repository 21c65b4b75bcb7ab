"""Everything it takes to write a worker.

from pointsman.worker import Task, Worker

worker = Worker("function")

@worker.handler("send_email")
async def send_email(task: Task) -> dict[str, str]: ...
"""

from __future__ import annotations

from pointsman.base.errors import EditRefused
from pointsman.worker.cancellation import Cancellation
from pointsman.worker.editing import EditToken
from pointsman.worker.errors import NonRetryable, Retryable
from pointsman.worker.running import run
from pointsman.worker.task import Ref, Task
from pointsman.worker.worker import Worker

__all__ = ["Cancellation", "EditRefused", "EditToken", "NonRetryable", "Ref", "Retryable", "Task", "Worker", "run"]
