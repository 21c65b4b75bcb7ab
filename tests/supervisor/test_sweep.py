"""The sweep: what a run needs can always be read, whatever is written, read and removed while it is at work."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.adapters.blobs.store import ObjectBlobStore, open_blobs
from pointsman.adapters.postgres.blob_references import BlobReferences
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.waiting import waits_since
from pointsman.base.ids import Millis
from pointsman.metrics import Metrics
from pointsman.ports.blob_store import BlobMissing, StoredBlob
from pointsman.protocol.output import Output
from supervisor.retention import Clearing
from supervisor.sweep import Sweep
from tests.supervisor.depot import Depot
from tests.supervisor.test_retention import ended

GRACE = 10
MINUTE = 60_000


# The rule, played at random -----------------------------------------------------------------------------------------

Step = tuple[str, str, int]


class World:
    """Blobs, runs and their references, with a clock set by hand. Between any two steps of the sweep others act."""

    def __init__(self, script: list[Step]) -> None:
        self.now = 0
        self.live: dict[str, int] = {}
        self.aside: dict[str, int] = {}
        self.references: dict[tuple[str, int], int | None] = {}
        """Which run refers to which blob, and when it was removed."""
        self.in_flight: deque[tuple[str, int, int]] = deque()
        """Digest, run that is about to refer to it, and by when that is durable at the latest."""
        self._script = deque(script)
        self._runs = 0

    # What others do ---------------------------------------------------------------------------------------------------

    def happen(self) -> None:
        """Let the next things of the script happen, up to a pause in it."""
        while self._script:
            kind, digest, wait = self._script.popleft()
            match kind:
                case "write":
                    self.live[digest] = self.now
                    self._take(digest, wait)
                case "read":
                    if any(d == digest and at is None for (d, _), at in self.references.items()):
                        self.load(digest)
                        self._take(digest, wait)
                case "remove":
                    for key, at in self.references.items():
                        if key[0] == digest and at is None:
                            self.references[key] = self.now
                case "pass":
                    self.pass_time(wait)
                case _:
                    return

    def _take(self, digest: str, wait: int) -> None:
        self._runs += 1
        self.in_flight.append((digest, self._runs, self.now + wait % GRACE))

    def pass_time(self, wait: int) -> None:
        """Let time pass; what was about to refer to a blob does so in time."""
        until = self.now + wait
        for digest, run, at in sorted(self.in_flight, key=lambda each: each[2]):
            if at <= until:
                self.references[digest, run] = None
                self.in_flight.remove((digest, run, at))
        self.now = until

    def load(self, digest: str) -> None:
        """What reading a blob does."""
        if digest not in self.live:
            assert digest in self.aside, f"{digest} is needed at {self.now}, and gone"
            self.live[digest] = self.now

    def check(self) -> None:
        """Whether everything that a run needs, or is about to need, can be read."""
        needed = {digest for (digest, _), at in self.references.items() if at is None}
        for digest in needed | {digest for digest, _, _ in self.in_flight}:
            assert digest in self.live or digest in self.aside, f"{digest} is needed at {self.now}, and gone"

    # What the sweep works with ----------------------------------------------------------------------------------------

    async def stored(self) -> AsyncIterator[list[StoredBlob]]:
        yield [StoredBlob(digest, Millis(at)) for digest, at in self.live.items()]

    async def discarded(self) -> AsyncIterator[list[StoredBlob]]:
        yield [StoredBlob(digest, Millis(at)) for digest, at in self.aside.items()]

    async def discard(self, digest: str) -> None:
        self.happen()
        if digest in self.live:
            self.aside[digest] = self.now
            self.happen()
            self.live.pop(digest, None)

    async def restore(self, digest: str) -> None:
        self.happen()
        if digest in self.aside:
            self.live[digest] = self.now
            self.happen()
            self.aside.pop(digest, None)

    async def destroy(self, digest: str) -> None:
        self.happen()
        self.aside.pop(digest, None)

    async def needed(self, digests: Collection[str], since: Millis) -> set[str]:
        found = {d for (d, _), at in self.references.items() if d in digests and (at is None or at >= since)}
        self.happen()
        return found

    async def forget(self, digests: Collection[str]) -> None:
        self.references = {k: at for k, at in self.references.items() if k[0] not in digests or at is None}

    async def time(self) -> Millis:
        return Millis(self.now)

    async def nothing_waits(self) -> Millis | None:
        return None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[bool]:
        yield True


steps = st.tuples(
    st.sampled_from(["write", "read", "remove", "pass", "pause", "pause"]), st.just("a"), st.integers(0, 2 * GRACE)
)


@settings(max_examples=300)
@given(st.lists(steps, min_size=5, max_size=40), st.lists(st.integers(GRACE // 2, 3 * GRACE), min_size=8, max_size=8))
def test_no_blob_that_a_run_needs_is_ever_gone(script: list[Step], waits: list[int]) -> None:
    """Others write, read and remove at any moment, even half-way through a move, and time passes between sweeps."""
    world = World([("write", "a", 0), ("pause", "a", 0), *script])

    async def play() -> None:
        lease: Any = world  # nothing but its lease is asked for
        told = world.nothing_waits, world.time, asyncio.Event(), Metrics()
        sweep = Sweep(world, world, lease, *told, grace_ms=GRACE)
        for wait in waits:
            world.happen()
            world.pass_time(wait)
            await sweep.sweep()
            world.check()

    asyncio.run(play())


# On real servers ----------------------------------------------------------------------------------------------------


def sweep(depot: Depot, place: Path) -> Sweep:
    """A sweep of the blobs in a directory, with a grace of an hour."""
    return Sweep(
        open_blobs(place.as_uri()),
        BlobReferences(depot.pool),
        PostgresRetention(depot.pool),
        lambda: waits_since(Partitions([depot.partition], depot.partition.connection)),
        depot.store.now,
        asyncio.Event(),
        depot.metrics,
        grace_ms=60 * MINUTE,
    )


async def put(place: Path, text: str) -> str:
    """Store a blob; its reference."""
    return await open_blobs(place.as_uri()).put(text.encode())


def age(place: Path, minutes: int) -> None:
    """Make every file as old as that."""
    for file in place.rglob("*"):
        if file.is_file():
            then = file.stat().st_mtime - minutes * 60
            os.utime(file, (then, then))


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def there(place: Path) -> set[str]:
    """Where blobs are, by their file."""
    return {str(file.relative_to(place)) for file in place.rglob("*") if file.is_file()}


def live(text: str) -> str:
    return f"{digest(text)[:2]}/{digest(text)}"


async def test_a_blob_goes_in_two_steps_once_no_run_refers_to_it(depot: Depot, tmp_path: Path) -> None:
    # Given old blobs that a kept run, a removed one, an accepted one and none refer to, a young one, and another's file
    await ended(depot, "kept", output=Output(ref=await put(tmp_path, "kept")), ago_ms=0)
    await ended(depot, "gone", output=Output(ref=await put(tmp_path, "gone")))
    await depot.accept("queued", input=Output(ref=await put(tmp_path, "queued")))
    await put(tmp_path, "stray")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / digest("x")).write_text("x")
    age(tmp_path, 61)
    await put(tmp_path, "young")
    clearing = Clearing(
        PostgresRetention(depot.pool), depot.store, None, asyncio.Event(), depot.metrics, keep_ms=60 * MINUTE
    )
    await clearing.clear()
    stay = {live("kept"), live("queued"), live("young"), f"other/{digest('x')}"}
    # When it is swept, then what nobody refers to is moved aside; what was only just released is not
    assert await sweep(depot, tmp_path).sweep()
    assert there(tmp_path) == stay | {live("gone"), f"discarded/{digest('stray')}"}
    # And once a grace has gone by, that goes, too; and what was aside for two graces is gone
    await depot.pool.execute("UPDATE blob_references SET released_at = released_at - $1", 61 * MINUTE)
    age(tmp_path / "discarded", 121)
    assert await sweep(depot, tmp_path).sweep()
    assert there(tmp_path) == stay | {f"discarded/{digest('gone')}"}
    age(tmp_path / "discarded", 121)
    assert await sweep(depot, tmp_path).sweep()
    assert there(tmp_path) == stay
    assert depot.metrics.blobs_removed._value.get() == 2
    assert [row["run_id"] for row in await depot.pool.fetch("SELECT run_id FROM blob_references")] == ["kept"]


async def test_what_was_moved_aside_is_found_and_put_back_when_it_is_needed(depot: Depot, tmp_path: Path) -> None:
    # Given two blobs that were moved aside
    refs = [await put(tmp_path, text) for text in ("read", "named")]
    age(tmp_path, 61)
    await sweep(depot, tmp_path).sweep()
    assert there(tmp_path) == {f"discarded/{digest(text)}" for text in ("read", "named")}
    # When one is read, and an event names the other
    assert await open_blobs(tmp_path.as_uri()).get(refs[0]) == b"read"
    await ended(depot, "late", output=Output(ref=refs[1]))
    age(tmp_path / "discarded", 121)
    await sweep(depot, tmp_path).sweep()
    # Then both are where they were, and what is left aside is of no use
    assert there(tmp_path) == {live("read"), live("named")}


async def test_nothing_is_swept_while_a_signal_waits_for_longer_than_the_grace(depot: Depot, tmp_path: Path) -> None:
    # Given an old blob, and a result that has waited for hours to be taken
    await put(tmp_path, "result")
    age(tmp_path, 300)
    body = b'{"result_ref":"blob://%b"}' % digest("result").encode()
    long_ago = await depot.store.now() - 120 * MINUTE
    await depot.partition.connection.ask("XADD", "wf.signals", f"{long_ago}-1", "signal", body)
    # When it is to be swept
    with structlog.testing.capture_logs() as logs:
        assert not await sweep(depot, tmp_path).sweep()
    # Then nothing is touched, and that is told
    assert there(tmp_path) == {live("result")}
    assert [(line["event"], line["waiting_since"]) for line in logs] == [("sweep_held_back", long_ago)]
    # Nor while workers have pushed what nobody has taken in
    await depot.partition.connection.ask("DEL", "wf.signals")
    await depot.partition.connection.ask("RPUSH", "completion_signals", body)
    assert not await sweep(depot, tmp_path).sweep()


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_a_blob_can_be_discarded_restored_and_destroyed_by_two_at_once(kind: str, tmp_path: Path) -> None:
    blobs: ObjectBlobStore = open_blobs("memory://" if kind == "memory" else tmp_path.as_uri())
    ref = await blobs.put(b"data")
    name = ref.removeprefix("blob://")
    for work in (blobs.discard, blobs.restore, blobs.discard, blobs.destroy):
        await asyncio.gather(work(name), work(name))
    with pytest.raises(BlobMissing):
        await blobs.get(ref)
    assert [blob async for page in blobs.stored() for blob in page] == []
    assert [blob async for page in blobs.discarded() for blob in page] == []
