"""Signals that Redis took a moment ago: a machine that goes down can take them with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

FIRM_S: Final = 3.0
"""How long after Redis took a signal it is on its disk: `appendfsync everysec` may take two seconds."""
MOST_BYTES: Final = 16 << 20


class Recent:
    """The signals that are to be sent once more if Redis comes back without them."""

    def __init__(self) -> None:
        self._signals: deque[tuple[float, bytes]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._signals)

    def add(self, signals: Sequence[bytes], now: float) -> None:
        """Remember signals that were taken just now; above what memory allows, the oldest are forgotten."""
        for signal in signals:
            self._signals.append((now, signal))
            self._size += len(signal)
        while self._size > MOST_BYTES:
            self._drop()

    def forget(self, now: float) -> None:
        """Forget what is on disk by now, given that the same server process answers still."""
        while self._signals and self._signals[0][0] + FIRM_S < now:
            self._drop()

    def take(self) -> list[bytes]:
        """All of them, in order; they are forgotten here."""
        taken = [signal for _, signal in self._signals]
        self._signals.clear()
        self._size = 0
        return taken

    def _drop(self) -> None:
        self._size -= len(self._signals.popleft()[1])
