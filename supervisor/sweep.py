"""The sweep: blobs that no run refers to any more are removed, never one that a run is about to refer to.

A blob gets a reference in two ways: it is written, and soon a run's event names it; or somebody reads a run that is
kept, and soon an event of another run (a fork, say) names the same blob. `grace` is longer than "soon". So:

- A blob is discarded once it was written, and every run that refers to it was removed, at least a grace ago.
- Discarded is not gone: it is moved aside, where whoever asks for it finds it and has it put back. A blob of the same
  content that is written while the old one is being moved is lost, and found there.
- What was discarded two graces ago is destroyed, unless a run has come to refer to it: then it is put back.

So whatever is written, read and swept at once, a blob that an open or kept run refers to can be read
(`tests/supervisor/test_sweep.py` plays that at random). Blobs of an event that waits in Redis for longer than a grace
would break the rule: nothing is discarded while anything waits that long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import structlog

from pointsman.base.ids import Millis
from pointsman.metrics import Metrics
from pointsman.ports.blob_store import StoredBlob
from pointsman.ports.retention import Retention
from pointsman.service import pause

log = structlog.get_logger()

HOUR_MS: Final = 3_600_000
LOOK_EVERY_S: Final = 3_600.0
TRY_EVERY_S: Final = 60.0
"""How soon it is tried again where it could not be done."""


class Blobs(Protocol):
    """The blobs in the store, and those that were moved aside."""

    def stored(self) -> AsyncIterator[list[StoredBlob]]:
        """Every blob, in pages."""
        ...

    def discarded(self) -> AsyncIterator[list[StoredBlob]]:
        """Every blob that was moved aside; `written_at` is when it was."""
        ...

    async def discard(self, digest: str) -> None:
        """Move a blob aside."""
        ...

    async def restore(self, digest: str) -> None:
        """Put a blob back that was moved aside."""
        ...

    async def destroy(self, digest: str) -> None:
        """Remove a blob that was moved aside."""
        ...


class References(Protocol):
    """Which blobs runs refer to."""

    async def needed(self, digests: Collection[str], since: Millis) -> set[str]:
        """Those that an open or kept run refers to, or one that was removed at `since` or later."""
        ...

    async def forget(self, digests: Collection[str]) -> None:
        """Forget what removed runs referred to."""
        ...


class Sweep:
    """Removes blobs that nobody needs. One supervisor at a time does."""

    def __init__(
        self,
        blobs: Blobs,
        references: References,
        records: Retention,
        waits_since: Callable[[], Awaitable[Millis | None]],
        now: Callable[[], Awaitable[Millis]],
        drain: asyncio.Event,
        metrics: Metrics,
        *,
        grace_ms: int,
    ) -> None:
        self._blobs = blobs
        self._references = references
        self._records = records
        self._waits_since = waits_since
        self._now = now
        self._drain = drain
        self._metrics = metrics
        self._grace_ms = grace_ms

    async def run(self) -> None:
        """Sweep now and then, until drained."""
        while not self._drain.is_set():
            async with self._records.held() as is_ours:
                is_done = is_ours and await self.sweep()
            await pause(self._drain, LOOK_EVERY_S if is_done else TRY_EVERY_S)

    async def sweep(self) -> bool:
        """Go through all blobs once; False where something waits in Redis for so long that none may be touched."""
        now = await self._now()
        since = Millis(now - self._grace_ms)
        waiting = await self._waits_since()
        if waiting is not None and waiting < since:
            log.warning("sweep_held_back", waiting_since=waiting)
            return False
        discarded = await self._discard(since)
        destroyed = await self._destroy(Millis(now - 2 * self._grace_ms), since)
        if discarded or destroyed:
            log.info("blobs_swept", discarded=discarded, destroyed=destroyed)
        return True

    async def _discard(self, since: Millis) -> int:
        count = 0
        async for page in self._blobs.stored():
            for digest in await self._unneeded(page, since, since):
                if self._drain.is_set():
                    return count
                await self._blobs.discard(digest)
                count += 1
        return count

    async def _destroy(self, before: Millis, since: Millis) -> int:
        count = 0
        async for page in self._blobs.discarded():
            if self._drain.is_set():
                return count
            going = await self._unneeded(page, before, since)
            for digest in going:
                await self._blobs.destroy(digest)
            await self._references.forget(going)
            self._metrics.blobs_removed.inc(len(going))
            count += len(going)
            for blob in page:
                if blob.written_at < before and blob.digest not in going:
                    await self._blobs.restore(blob.digest)
        return count

    async def _unneeded(self, page: Sequence[StoredBlob], before: Millis, since: Millis) -> list[str]:
        """Those of a page that are older than `before`, and that no run has needed since."""
        old = [blob.digest for blob in page if blob.written_at < before]
        needed = await self._references.needed(old, since) if old else set()
        return [digest for digest in old if digest not in needed]
