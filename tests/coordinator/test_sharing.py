"""Several coordinators, each a process: every partition is served by one of them, whoever comes or goes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count

import pytest
from redis.asyncio import Redis

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.redis.keys import Keyspace
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.routed import RoutedRunStore
from pointsman.base.ids import Millis, RunId, partition_of
from pointsman.execute import Executor, Programs
from pointsman.plan import encode_plan, plan_digest
from pointsman.protocol.state import RunHead, Snapshot
from tests.coordinator.desk import done
from tests.support.driven import cel
from tests.support.plans import plan, task
from tests.support.processes import started
from tests.support.servers import open_fences
from tests.support.waiting import eventually

COUNT = 16
LINE = plan(task("a"), task("b"), "a->b")
NOBODY_CLAIMS_MS = 600_000
"""So that what a dead coordinator has read can only be claimed by who takes its partition."""


class Deployment:
    """Sixteen partitions of one Redis, and what is to be seen of them."""

    def __init__(self, url: str, partitions: Partitions, redis: Redis) -> None:
        self._redis = redis
        self._store = RoutedRunStore(partitions)
        self._names = (RunId(f"run_{number}") for number in count())
        self.settings = {
            "REDIS_URL": url,
            "POINTSMAN_PARTITIONS": str(COUNT),
            "POINTSMAN_COORDINATOR_CLAIM_IDLE_MS": str(NOBODY_CLAIMS_MS),
        }

    async def holders(self) -> dict[int, str | None]:
        """Who holds each partition."""
        names = [f"{{{number}}}wf.coordinator" for number in range(COUNT)]
        return dict(enumerate(await self._redis.mget(names)))

    async def shares(self) -> list[int]:
        """How many partitions each process holds, the largest share first; 0 stands for those that nobody does."""
        held = Counter((await self.holders()).values())
        return sorted(held.values(), reverse=True) + [0] * (None in held)

    async def of(self, process: asyncio.subprocess.Process) -> list[int]:
        """The partitions that a process holds."""
        suffix = f":{process.pid}"
        return [number for number, holder in (await self.holders()).items() if holder and holder.endswith(suffix)]

    async def are_shared(self, *wanted: int) -> bool:
        """Whether the shares are these."""
        return await self.shares() == list(wanted)

    async def start(self, partition: int) -> RunId:
        """Start a run in a partition."""
        run = next(name for name in self._names if partition_of(name, COUNT) == partition)
        body = encode_plan(LINE)
        digest = plan_digest(body)
        head = RunHead(run, LINE.name, digest, digest, cel().name, Millis(1))
        executor = Executor(self._store, Programs(self._store), open_blobs("memory://"), 1_000)
        assert await executor.start(head, body, await self._store.now()) == "started"
        return run

    async def push(self, *signals: bytes) -> None:
        """Push signals as any worker does."""
        await self._redis.rpush("completion_signals", *signals)

    async def run(self, run: RunId) -> Snapshot:
        """A run as it is now."""
        return (await self._store.load([run]))[run]

    async def events(self, run: RunId) -> int:
        """How often a run was changed."""
        stream = Keyspace(partition_of(run, COUNT), COUNT).events
        return len([1 for _, fields in await self._redis.xrange(stream) if fields["run_id"] == run])


@pytest.fixture
async def deployment(redis_db: str) -> AsyncIterator[Deployment]:
    """Nothing runs yet."""
    open_fences(redis_db, COUNT)
    partitions = await Partitions.open(redis_db, COUNT)
    redis = Redis.from_url(redis_db, decode_responses=True)
    yield Deployment(redis_db, partitions, redis)
    await partitions.aclose()
    await redis.aclose()


async def test_coordinators_share_the_partitions_whoever_comes_or_goes(deployment: Deployment) -> None:
    # Given two coordinators
    async with (
        started("coordinator", **deployment.settings) as one,
        started("coordinator", **deployment.settings) as two,
    ):
        await eventually(lambda: deployment.are_shared(8, 8))
        runs = [await deployment.start(number) for number in range(COUNT)]
        async with started("coordinator", **deployment.settings) as three:
            # When a third one comes while runs are at work
            await deployment.push(*(done(run, ":a") for run in runs))
            await eventually(lambda: deployment.are_shared(6, 5, 5))
            assert len(await deployment.of(three)) in (5, 6)
            # And the first one is told to stop
            one.terminate()
            began = time.monotonic()
            await eventually(lambda: deployment.are_shared(8, 8))
            print(f"handed over in {time.monotonic() - began:.2f} s")
            await deployment.push(*(done(run, ":b") for run in runs))
            # Then the other two have it all, and every run went on, one step for each signal
            assert await one.wait() == 0
            assert len(await deployment.of(two)) == 8
            for run in runs:
                await eventually(lambda run=run: _is_complete(deployment, run))
                assert await deployment.events(run) == 3


async def test_a_killed_coordinators_partitions_and_signals_are_taken_over(deployment: Deployment) -> None:
    # Given two coordinators, one of which dies with a signal that it has read
    async with (
        started("coordinator", **deployment.settings) as one,
        started("coordinator", **deployment.settings, POINTSMAN_CRASH_AT="before_apply") as two,
    ):
        await eventually(lambda: deployment.are_shared(8, 8))
        run = await deployment.start((await deployment.of(two))[0])
        await deployment.push(done(run, ":a"))
        assert await two.wait() == -9
        began = time.monotonic()
        # When nobody else is there, then the other one takes its partitions, and the signal with them
        await eventually(lambda: deployment.are_shared(16), timeout=30)
        print(f"taken over in {time.monotonic() - began:.2f} s")
        await deployment.push(done(run, ":b"))
        await eventually(lambda: _is_complete(deployment, run))
        assert await deployment.events(run) == 3
        assert one.returncode is None


async def _is_complete(deployment: Deployment, run: RunId) -> bool:
    return (await deployment.run(run)).head.status == "COMPLETED"
