"""SignalSource: where signals come from, each until somebody acknowledged it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pointsman.base.ids import RunId


class Delivery(NamedTuple):
    """One signal as it stands on the stream."""

    id: str
    body: bytes


class SignalSource(Protocol):
    """The signals stream as one consumer of the group `coordinators` sees it."""

    async def read(self, count: int, block_ms: int) -> list[Delivery]:
        """New signals, at most `count`, waiting up to `block_ms` for the first."""
        ...

    async def claim(self, min_idle_ms: int, count: int) -> list[Delivery]:
        """Signals that another consumer read at least `min_idle_ms` ago and never acknowledged."""
        ...

    async def reject(self, delivery: Delivery, code: str, reason: str) -> None:
        """Set a signal aside with the reason, and acknowledge it."""
        ...

    async def leave(self, delivery: Delivery) -> None:
        """Give a signal up for another consumer, who can claim it at once."""
        ...

    async def postpone(self, delivery: Delivery, run: RunId, delay_ms: int) -> None:
        """Acknowledge the `continue` of a run, and send it again later: one for each run, however many there were."""
        ...

    async def send(self, bodies: Sequence[bytes]) -> None:
        """Put signals on the stream."""
        ...

    async def intake(self, block_ms: int) -> int:
        """Move what workers pushed onto the public list to the stream, waiting for the first; how many moved."""
        ...
