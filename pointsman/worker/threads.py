"""Threads for handlers that are plain functions.

Not a `ThreadPoolExecutor`: the interpreter waits for its threads at exit, so that one handler that never returns would
keep a drained worker from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """At most `size` daemon threads, each started when those there are busy."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]]] = SimpleQueue()
        self._started = 0
        self._open = 0

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Call `function` in a thread; the future has what it returns or raises. Called on the event loop only."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._open += 1
        if self._started < min(self._open, self._size):
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
        self._jobs.put((function, future))
        return future

    def _work(self) -> None:
        while True:
            function, future = self._jobs.get()
            result, error = _called(function)
            # The loop is gone where a drained worker did not wait for this handler any longer.
            with suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(self._settle, future, result, error)

    def _settle(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._open -= 1
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _called(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except BaseException as error:
        return None, error
