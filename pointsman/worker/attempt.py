"""One attempt: a handler is called, and whatever comes of it becomes a report. Nothing it raises goes further."""

from __future__ import annotations

import asyncio

from pointsman.worker.handlers import Function, Handler
from pointsman.worker.report import Report, completed, failed
from pointsman.worker.secrets import Secrets
from pointsman.worker.task import Task
from pointsman.worker.threads import Threads

# A handler that calls sys.exit() ends its task, not the worker.
_ENDINGS = (Exception, SystemExit)


def attempt_now(function: Function, task: Task, secrets: Secrets) -> Report:
    """Call a plain function here and now."""
    try:
        return completed(task, function(task))
    except _ENDINGS as error:
        return failed(task, error, secrets)


async def attempt(handler: Handler, task: Task, secrets: Secrets, threads: Threads) -> Report:
    """Call a handler as its kind asks for.

    Raises:
        asyncio.CancelledError: The worker does not wait for it any longer. A handler that raises it itself has failed.
    """
    try:
        if handler.kind == "async":
            return completed(task, await handler.function(task))
        if task.carries_references:
            await task.load_all()
    except asyncio.CancelledError as error:
        if _is_stopped():
            raise
        return failed(task, error, secrets)
    except _ENDINGS as error:
        return failed(task, error, secrets)
    if handler.kind == "inline":
        return attempt_now(handler.function, task, secrets)
    return await threads.run(lambda: attempt_now(handler.function, task, secrets))


def _is_stopped() -> bool:
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
