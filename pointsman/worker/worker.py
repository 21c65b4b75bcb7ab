"""A worker as its author declares it: a type, and the functions that do its tasks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from pointsman.base.errors import WorkerError
from pointsman.worker.handlers import Function, Handlers

_TYPE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
F = TypeVar("F", bound=Function)


class Worker:
    """Does the tasks of one type. Declaring it connects to nothing; `pointsman worker MODULE` runs it.

    Args:
        task_type: The `type` of the nodes it executes.
        concurrency: Tasks it handles at the same time; POINTSMAN_WORKER_CONCURRENCY unless given.
    """

    def __init__(self, task_type: str, *, concurrency: int | None = None) -> None:
        if not isinstance(task_type, str) or not _TYPE.match(task_type):
            raise WorkerError("WRK003", f"{task_type!r} is no type of a node: 1 to 64 letters, digits, `_`, `.`, `-`.")
        if concurrency is not None and concurrency < 1:
            raise WorkerError("WRK003", f"worker {task_type!r}: concurrency is {concurrency}; it must be at least 1.")
        self.type = task_type
        self.concurrency = concurrency
        self.handlers = Handlers(task_type)

    def __repr__(self) -> str:
        return f"Worker({self.type!r})"

    def handler(self, name: str = "", *, inline: bool = False) -> Callable[[F], F]:
        """Declare a handler: `@worker.handler("send_email")`.

        Nodes choose it with `config.handler`. A handler without a name must be the only one, and takes every task.
        Coroutine functions run on the event loop, plain ones in a thread. `inline=True` runs a plain one on the event
        loop instead, at a fraction of the cost: it must return within about a millisecond and never wait for anything,
        because nothing else happens in the process meanwhile.
        """
        if not isinstance(name, str):
            raise WorkerError("WRK003", f"worker {self.type!r}: write @worker.handler(), with parentheses.")

        def declare(function: F) -> F:
            self.handlers.add(name, function, inline=inline)
            return function

        return declare
