"""Which function handles a task: the one that its node's `config.handler` names, or the only one there is."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pointsman.base.errors import WorkerError
from pointsman.worker.errors import NonRetryable
from pointsman.worker.task import Task

Function = Callable[[Task], Any]
Kind = Literal["async", "thread", "inline"]
"""How a handler is run: as an asyncio task, in a thread of its own, or right where its task was read."""


class Handler(NamedTuple):
    """A function of the user's."""

    name: str
    """Empty for the one that takes every task of its type."""
    function: Function
    kind: Kind


class Handlers:
    """The handlers of one worker."""

    def __init__(self, task_type: str) -> None:
        self._type = task_type
        self._named: dict[str, Handler] = {}
        self._only: Handler | None = None

    def add(self, name: str, function: Function, *, inline: bool) -> None:
        """Take a function in.

        Raises:
            WorkerError: WRK003, it does not go with what is here, or an async function was said to be inline.
        """
        if inline and inspect.iscoroutinefunction(function):
            raise self._refused(name, "is async, and inline=True is for plain functions. Leave inline out")
        kind: Kind = "inline" if inline else "async" if inspect.iscoroutinefunction(function) else "thread"
        handler = Handler(name, function, kind)
        if self._only is not None or (self._named and not name):
            raise self._refused(name, "stands beside a handler without a name, which takes every task. Name them all")
        if name in self._named:
            raise self._refused(name, "is declared a second time. Rename one of them")
        if name:
            self._named[name] = handler
        else:
            self._only = handler

    def __len__(self) -> int:
        return len(self._named) + (self._only is not None)

    def find(self, config: Any) -> Handler:
        """The handler for a task with this config.

        Raises:
            NonRetryable: `unknown_handler`, with what there is instead.
        """
        if self._only is not None:
            return self._only
        name = config.get("handler") if isinstance(config, dict) else None
        handler = self._named.get(name) if isinstance(name, str) else None
        if handler is None:
            raise NonRetryable(self._unknown(name), type="unknown_handler")
        return handler

    def _unknown(self, name: object) -> str:
        known = ", ".join(sorted(self._named))
        if not isinstance(name, str):
            return f"the node's config has no `handler`; the {self._type!r} worker has {known}. Set it to one of them."
        close = difflib.get_close_matches(name, self._named, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"the {self._type!r} worker has no handler {name[:100]!r}, only {known}.{hint}"

    def _refused(self, name: str, why: str) -> WorkerError:
        told = f"handler {name!r}" if name else "the handler without a name"
        return WorkerError("WRK003", f"worker {self._type!r}: {told} {why}. The worker was not started.")
