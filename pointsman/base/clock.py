"""The only place that reads the machine's clock; everywhere else time is an argument."""

from __future__ import annotations

import time
from typing import Protocol

from pointsman.base.ids import Millis


class Clock(Protocol):
    """Where a process learns what time it is."""

    def now(self) -> Millis:
        """Unix time in milliseconds."""
        ...


class SystemClock:
    """This machine's clock, moved by `offset_ms` to agree with the Redis server's (SEMANTICS §6)."""

    def __init__(self, offset_ms: int = 0) -> None:
        self.offset_ms = offset_ms

    def now(self) -> Millis:
        return Millis(time.time_ns() // 1_000_000 + self.offset_ms)


class ManualClock:
    """A clock that stands still until it is moved; for tests and for replay."""

    def __init__(self, start: int = 1_700_000_000_000) -> None:
        self._now = start

    def now(self) -> Millis:
        return Millis(self._now)

    def advance(self, by_ms: int) -> None:
        """Move the clock on by `by_ms` milliseconds."""
        self._now += by_ms


def monotonic() -> float:
    """Seconds from an arbitrary start, for measuring how long something took."""
    return time.perf_counter()
