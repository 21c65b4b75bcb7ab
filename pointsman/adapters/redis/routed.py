"""RoutedRunStore: the open runs of every partition, each change where its run lives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.ports.run_store import Link, Recalled, RunStore
from pointsman.protocol.outcome import Outcome, StartOutcome
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Sealed

_CLOCK_PATIENCE_S: Final = 1.0
_CLOCKS_ASKED: Final = 3
"""How many are tried where one is asked for the time; the next who asks goes on from there."""


def open_store(partitions: Partitions) -> RunStore:
    """The open runs of all partitions."""
    if len(partitions.all) == 1:
        return RedisRunStore(partitions.all[0])
    return RoutedRunStore(partitions)


class RoutedRunStore:
    """The adapter of `pointsman.ports.run_store.RunStore` over several partitions; the docstrings there hold here.

    What is asked for many runs is asked of their partitions side by side. Where one of those cannot be used the whole
    raises, and what the others did is done: see `RedisRunStore`.
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._stores = [RedisRunStore(partition) for partition in partitions.all]
        self._clocks = deque({partition.connection: partition.clock for partition in partitions.all}.values())
        """One of each server; the first is the one that counts."""

    async def start(self, sealed: Sealed, plan: bytes, by: Millis | None = None) -> StartOutcome:
        """Create a run in its partition."""
        return await self._of(sealed.transition.run_id).start(sealed, plan, by)

    async def load(self, runs: Sequence[RunId]) -> dict[RunId, Snapshot]:
        """Load snapshots, one round trip a partition."""
        split = self._partitions.split(runs)
        found = await asyncio.gather(*(self._stores[number].load(few) for number, few in split.items()))
        return {run: snapshot for few in found for run, snapshot in few.items()}

    async def recall(self, run: RunId) -> Recalled | None:
        """Load a run and its history."""
        return await self._of(run).recall(run)

    async def apply(self, links: Sequence[Link]) -> list[Outcome]:
        """Apply links; those of one partition in order."""
        places: dict[int, list[int]] = {}
        for place, link in enumerate(links):
            number = self._partitions.of(link.sealed.transition.run_id).number
            places.setdefault(number, []).append(place)
        answers = await asyncio.gather(
            *(self._stores[number].apply([links[place] for place in few]) for number, few in places.items())
        )
        outcomes: list[Outcome] = ["fenced"] * len(links)
        for few, told in zip(places.values(), answers, strict=True):
            for place, outcome in zip(few, told, strict=True):
                outcomes[place] = outcome
        return outcomes

    async def hold(self, run: RunId, owner: str, ms: int) -> bool:
        """Take or end a hold."""
        return await self._of(run).hold(run, owner, ms)

    async def plan(self, digest: Digest) -> bytes | None:
        """A plan's canonical JSON, from whichever partition has it: one that cannot be used is not waited for."""
        asked = [asyncio.ensure_future(store.plan(digest)) for store in self._stores]
        wrong: ServerUnavailable | None = None
        try:
            for answer in asyncio.as_completed(asked):
                try:
                    if (body := await answer) is not None:
                        return body
                except ServerUnavailable as why:
                    wrong = why
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if wrong is not None:
            raise wrong
        return None

    async def put_plan(self, run: RunId, digest: Digest, plan: bytes) -> None:
        """Store a plan in the partition of the run."""
        await self._of(run).put_plan(run, digest, plan)

    async def finish(self, runs: Sequence[RunId]) -> list[bool]:
        """Remove final runs."""
        split = self._partitions.split(runs)
        answers = await asyncio.gather(*(self._stores[number].finish(few) for number, few in split.items()))
        told = {
            run: is_removed
            for few, removed in zip(split.values(), answers, strict=True)
            for run, is_removed in zip(few, removed, strict=True)
        }
        return [told[run] for run in runs]

    async def now(self) -> Millis:
        """The clock of one partition's server; once that is away, of another's: they are taken to agree."""
        for _ in range(min(len(self._clocks), _CLOCKS_ASKED) - 1):
            try:
                async with asyncio.timeout(_CLOCK_PATIENCE_S):
                    return await self._clocks[0].synced()
            except (ServerUnavailable, TimeoutError):
                self._clocks.rotate(-1)
        return await self._clocks[0].synced()

    async def fire_timers(self, limit: int) -> int:
        """Turn due timers into signals, at most `limit` in each partition."""
        return sum(await asyncio.gather(*(store.fire_timers(limit) for store in self._stores)))

    async def dump(self) -> Mapping[str, object]:
        """Everything on every server."""
        dumps = await asyncio.gather(*(store.dump() for store in self._stores))
        return {name: content for dump in dumps for name, content in dump.items()}

    def _of(self, run: RunId) -> RedisRunStore:
        return self._stores[self._partitions.of(run).number]
