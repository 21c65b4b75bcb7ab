"""The fence: where the store lost state, was started anew or never opened, it is recovered before anything passes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from pointsman.base.clock import monotonic
from pointsman.execute.recovery import FIRST, Heartbeat
from pointsman.health import Health
from pointsman.metrics import Metrics
from pointsman.ports.recovery import Opening

log = structlog.get_logger()

LOOK_EVERY_S: Final = 0.1
"""How long a fence that closed may go unnoticed by whoever opens it."""
RECOVERIES_AT_ONCE: Final = 4
"""Each holds thousands of events, and they all want the same processor."""
_TELL_EVERY_S: Final = 5.0


class Opener(Protocol):
    """Opens a store; `pointsman.execute.recovery.Recovery` does."""

    async def is_open(self) -> bool:
        """Whether changes pass."""
        ...

    async def open(self, write_down: Heartbeat, beat: Heartbeat) -> Opening:
        """Recover what there is to recover, and open it."""
        ...


class Progress:
    """Tells how far a recovery has come, where operators look: log, metrics and `/readyz`."""

    def __init__(
        self, health: Health, metrics: Metrics, recovering: Callable[[float], None], partition: int, of: int
    ) -> None:
        """Of a partition, of so many; `recovering` hears 1 while it is being recovered, then 0."""
        self._health = health
        self._metrics = metrics
        self._recovering = recovering
        self._partition = partition
        self._who = "recovery" if of == 1 else f"recovery of partition {partition}"
        self._epoch = 0
        self._told_at = 0.0

    def forget(self) -> None:
        """Tell nothing of it any more: it is somebody else's now, done or not."""
        self._health.ready(self._who)
        self._recovering(0)

    def __call__(self, opening: Opening) -> None:
        """Take note of how far it has come."""
        if opening.opened_at is not None:
            self._ended(opening)
            return
        told = f"recovering: {opening.restored} of the {opening.checked} open runs looked at were restored so far"
        self._health.unready(self._who, told)
        self._recovering(1)
        if opening.epoch != self._epoch:
            self._epoch, self._told_at = opening.epoch, monotonic()
            if opening.reason != FIRST:
                log.warning(
                    "recovery_began",
                    partition=self._partition,
                    reason=opening.reason,
                    epoch=opening.epoch,
                    server=opening.server,
                )
        elif monotonic() - self._told_at > _TELL_EVERY_S:
            self._told_at = monotonic()
            log.warning(
                "recovery_goes_on",
                partition=self._partition,
                epoch=opening.epoch,
                checked=opening.checked,
                restored=opening.restored,
            )

    def _ended(self, opening: Opening) -> None:
        self._health.ready(self._who)
        self._recovering(0)
        self._metrics.recoveries.labels(opening.reason).inc()
        self._metrics.runs_recovered.inc(opening.restored)
        if opening.reason == FIRST:
            log.info("redis_opened", partition=self._partition, epoch=opening.epoch)
            return
        log.warning(
            "recovery_done",
            partition=self._partition,
            reason=opening.reason,
            epoch=opening.epoch,
            checked=opening.checked,
            restored=opening.restored,
            dropped=opening.dropped,
            failed=opening.failed,
            ms=(opening.opened_at or opening.began_at) - opening.began_at,
        )


class Fence:
    """Looks at the fence now and then, and has the store recovered where it is closed."""

    def __init__(self, opener: Opener, room: asyncio.Semaphore) -> None:
        """`room` is for so many recoveries at once."""
        self._opener = opener
        self._room = room
        self._looked_at = float("-inf")

    async def is_open(self) -> bool:
        """Whether changes pass, as far as known; asked of the store every tenth of a second."""
        if monotonic() - self._looked_at < LOOK_EVERY_S:
            return True
        is_open = await self._opener.is_open()
        self._looked_at = monotonic() if is_open else float("-inf")
        return is_open

    async def open(self, write_down: Heartbeat, beat: Heartbeat) -> None:
        """Open it. The caller holds the lease on the journal, and goes on to write that."""
        async with self._room:
            await self._opener.open(write_down, beat)
