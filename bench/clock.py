"""The clock that all processes of a benchmark share."""

from __future__ import annotations

import time


def nanoseconds() -> int:
    """Nanoseconds since the machine started: the same in every process."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
