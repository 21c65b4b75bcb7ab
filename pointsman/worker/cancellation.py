"""How a handler learns that its result is no longer wanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator


class Cancellation:
    """Set once the engine has closed the task: its run was cancelled, its attempt timed out, or another one is out.

    A coroutine writes `await task.cancelled`, a handler in a thread `task.cancelled.wait(timeout)`, both may ask
    `is_set()`. The worker learns of it with a heartbeat, so up to POINTSMAN_WORKER_HEARTBEAT_MS later.
    """

    __slots__ = ("_event", "_waiting")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def is_set(self) -> bool:
        """Whether the task is closed; any thread may ask."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block this thread until the task is closed or `timeout` seconds are over; whether it is closed."""
        return self._event.wait(timeout)

    def set(self) -> None:
        """Tell whoever waits. Called on the event loop's thread."""
        self._event.set()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def __await__(self) -> Generator[object, None, None]:
        if not self._event.is_set():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            yield from waiter
