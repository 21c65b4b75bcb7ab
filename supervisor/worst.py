"""Worst: what each partition reports, in one gauge that shows the worst of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Gauge(Protocol):
    """Shows a number."""

    def set(self, value: float) -> None:
        """Show it."""
        ...


class Worst:
    """The greatest of the numbers that partitions report."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._told: dict[int, float] = {}

    def of(self, partition: int) -> Callable[[float], None]:
        """What one partition reports with; 0 once it is somebody else's."""

        def tell(value: float) -> None:
            self._told[partition] = value
            self._gauge.set(max(self._told.values()))

        return tell
