"""Supervisors over several partitions: each is opened, written down and recovered by itself, and served by one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import redis
from prometheus_client import Gauge

from pointsman.adapters.postgres.stuck_runs import StuckRuns
from pointsman.adapters.redis.pulses import open_pulses
from pointsman.adapters.redis.rejected_source import PushedSignals
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis, RunId, partition_of
from pointsman.health import Health
from pointsman.metrics import Metrics
from pointsman.ports.recovery import Opening
from pointsman.protocol.outcome import StartOutcome
from pointsman.protocol.state import RunHead
from supervisor.fence import Progress
from supervisor.reconcile import Reconcile, Starter
from supervisor.stuck import Stuck
from supervisor.worst import Worst
from tests.supervisor.spread import PARTITIONS, Spread, spread_over
from tests.support.processes import ended, free_port, started
from tests.support.unreachable import without
from tests.support.waiting import eventually


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    """The URL of a Redis database that nobody has opened."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    return redis_url


@pytest.fixture
def settings(database: str, empty_redis: str, tmp_path: Path) -> dict[str, str]:
    """What a supervisor is told about its servers."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": empty_redis,
        "POINTSMAN_DATA_DIR": str(tmp_path),
        "POINTSMAN_PARTITIONS": str(PARTITIONS),
        "POINTSMAN_SUPERVISOR_LEASE_TTL_MS": "1000",
    }


@pytest.fixture
async def spread(database: str, empty_redis: str) -> AsyncIterator[Spread]:
    """Empty servers."""
    async with spread_over(PARTITIONS, database, empty_redis) as spread:
        yield spread


async def test_one_partition_is_recovered_while_the_runs_of_the_others_go_on(
    spread: Spread, settings: dict[str, str]
) -> None:
    # Given runs in many partitions, and a supervisor that dies when it recovers one, before it opens that
    crash = {"POINTSMAN_CRASH_AT": f"between_restore_and_open:{PARTITIONS + 1}"}
    async with started("supervisor", **settings, **crash) as first:
        await eventually(spread.is_open)
        runs = await spread.under_way(24)
        await eventually(lambda: spread.are_written(runs, 2))
        # When one partition loses all it has
        lost = partition_of(runs[0], PARTITIONS)
        await spread.lose(lost)
        assert await first.wait() == -signal.SIGKILL
    inside = [run for run in runs if partition_of(run, PARTITIONS) == lost]
    outside = [run for run in runs if run not in inside]
    # Then nothing passes in that one, and everything in the others
    assert set(await spread.store.load(inside)) == set(inside)
    assert not await spread.partitions.all[lost].rejoin()
    for run in outside:
        await spread.complete(run, "b", "c")
    # And the next supervisor opens that one alone, and sees all runs to their ends
    async with started("supervisor", **settings):
        await eventually(lambda: spread.partitions.all[lost].rejoin())
        assert await spread.attempts(inside) == dict.fromkeys(inside, 2)
        for run in inside:
            await spread.complete(run, "b", "c")
        await eventually(lambda: all_completed(spread, runs))
    found = await spread.openings()
    assert found.pop(lost) == [("first_opening", 0), ("state_lost", 0)]
    assert found == {number: [("first_opening", 0)] for number in range(PARTITIONS) if number != lost}
    assert await spread.alarms() == []


async def all_completed(spread: Spread, runs: list[RunId]) -> bool:
    return await spread.statuses(runs) == {"COMPLETED"} and not await spread.streamed()


async def test_all_partitions_lost_at_once_come_back_each_with_its_own_runs(
    spread: Spread, settings: dict[str, str]
) -> None:
    async with started("supervisor", **settings):
        # Given runs, some of them accepted by a release that knew of no partitions
        await eventually(spread.is_open)
        runs = await spread.under_way(40)
        await eventually(lambda: spread.are_written(runs, 2))
        await spread.pool.execute("UPDATE runs SET crc = NULL WHERE run_id < 'run_2'")
        # When Redis loses all it has
        await spread.partitions.public.ask("FLUSHDB")
        # Then each partition is opened again with the runs that are its own
        await eventually(lambda: spread.is_open(2))
        shares = {number: len(own) for number, own in spread.partitions.split(runs).items()}
        assert await spread.openings() == {
            number: [("first_opening", 0), ("state_lost", shares.get(number, 0))] for number in range(PARTITIONS)
        }
        for partition in spread.partitions.all:
            await partition.rejoin()
        assert await spread.attempts(runs) == dict.fromkeys(runs, 2)
        for run in runs:
            await spread.complete(run, "b", "c")
        await eventually(lambda: all_completed(spread, runs))


async def test_the_number_of_partitions_changes_only_while_redis_is_empty(
    settings: dict[str, str], database: str, empty_redis: str
) -> None:
    # Given runs in one partition, all they did in the journal
    before, after = 1, 4
    told = {number: {**settings, "POINTSMAN_PARTITIONS": str(number)} for number in (before, after)}
    async with spread_over(before, database, empty_redis) as spread:
        async with started("supervisor", **told[before]):
            await eventually(spread.is_open)
            runs = await spread.under_way(9)
            await eventually(lambda: spread.are_written(runs, 2))
        # When a supervisor is told another number, then it does not start
        code, line = await ended("supervisor", **told[after])
        assert (code, line.count("\n")) == (3, 1)
        assert line.startswith(
            f"SRV065 POINTSMAN_PARTITIONS is {after}, and the runs in Redis are spread over {before}."
        )
        # Until Redis is empty
        await spread.partitions.public.ask("FLUSHDB")
        latest = await spread.pool.fetchval("SELECT max(epoch) FROM openings")
    async with started("supervisor", **told[after]), spread_over(after, database, empty_redis) as spread:
        # Then every run comes back, in an epoch behind all that it may have been in, and goes on
        await eventually(lambda: opened_since(spread, latest))
        for partition in spread.partitions.all:
            await partition.rejoin()
        assert await spread.attempts(runs) == dict.fromkeys(runs, 2)
        for run in runs:
            await spread.complete(run, "b", "c")
        await eventually(lambda: all_completed(spread, runs))
        assert [[event.seq for event in await spread.journal.events(run, 0, 9)] for run in runs] == [
            [1, 2, 3, 4, 5]
        ] * 9
        # And the number from before is another one now
        assert (await ended("supervisor", **told[before]))[0] == 3


async def opened_since(spread: Spread, epoch: int) -> bool:
    """Whether every partition was opened behind an epoch."""
    rows = await spread.pool.fetch("SELECT partition FROM openings WHERE epoch > $1 AND opened_at IS NOT NULL", epoch)
    return len(rows) == len(spread.partitions.all)


async def held(port: str) -> float:
    """How many partitions a supervisor says that it serves."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            page = (await client.get("/metrics")).text
        except httpx.TransportError:
            return 0.0
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith("pointsman_partitions_held "))


async def writers(spread: Spread) -> list[int]:
    """How many journals each of the processes writes that write any."""
    rows = await spread.pool.fetch(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = x'6a726e6c'::int "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY pid ORDER BY 1"
    )
    return [row["count"] for row in rows]


async def test_two_supervisors_share_the_partitions_and_hand_them_over(
    spread: Spread, settings: dict[str, str]
) -> None:
    ports = [str(free_port()), str(free_port())]
    one, two = ({**settings, "POINTSMAN_SUPERVISOR_METRICS_PORT": port} for port in ports)

    async def share_is(*wanted: float) -> bool:
        return [await held(port) for port in ports] == list(wanted)

    async def is_written(numbers: list[int]) -> bool:
        return await writers(spread) == numbers

    # Given a supervisor that has all partitions
    async with started("supervisor", **one) as first:
        await eventually(lambda: share_is(PARTITIONS, 0))
        await eventually(spread.is_open)
        # When a second one comes, then each has a half, and writes the journal of that
        async with started("supervisor", **two) as second:
            await eventually(lambda: share_is(PARTITIONS / 2, PARTITIONS / 2))
            await eventually(lambda: is_written([PARTITIONS // 2] * 2))
            runs = await spread.under_way(12)
            await eventually(lambda: spread.are_written(runs, 2))
            # When the first dies, then the second has all of it before long
            first.kill()
            await eventually(lambda: share_is(0, PARTITIONS))
            await eventually(lambda: is_written([PARTITIONS]))
            for run in runs:
                await spread.complete(run, "b", "c")
            await eventually(lambda: all_completed(spread, runs))
            # And when it is told to stop, then it leaves none behind
            second.terminate()
            assert await second.wait() == 0
    assert await writers(spread) == []
    assert await spread.openings() == {number: [("first_opening", 0)] for number in range(PARTITIONS)}


async def test_partitions_with_runs_of_a_newer_release_are_left_to_a_supervisor_that_knows_them(
    spread: Spread, settings: dict[str, str]
) -> None:
    # Given a supervisor of an earlier release that has all partitions, and runs in them that it does not understand
    port = str(free_port())
    older = {**settings, "POINTSMAN_SUPERVISOR_METRICS_PORT": port}
    async with started("tests.integration.older", "supervisor", "protocol", **older):
        await eventually(spread.is_open)
        runs = [await spread.run_through(f"run_{number}") for number in range(6)]
        # Then it gives all of them up, those it could serve as well
        await eventually(lambda: has_none(port))
        assert await spread.journal.positions(runs) == {}
        # And one of this release, beside it, writes all of it
        async with started("supervisor", **settings):
            await eventually(lambda: all_completed(spread, runs))


async def has_none(port: str) -> bool:
    return await held(port) == 0


async def test_what_was_accepted_is_started_where_the_partition_is_open(spread: Spread) -> None:
    # Given accepted runs in many partitions, of which one is closed
    await spread.open()
    long_ago = Millis(await spread.store.now() - 60_000)
    runs = [(await spread.accept(f"run_{number:02}", created_at=long_ago)).run_id for number in range(40)]
    closed = spread.partitions.of(runs[0])
    await closed.connection.ask("DEL", closed.keys.epoch)
    reconcile = reconciling(spread, spread.executor)
    # When they are started, then only those wait for which there is no way
    await reconcile.start_what_was_accepted()
    waiting = [run for run in runs if spread.partitions.of(run) is closed]
    assert set(await spread.store.load(runs)) == set(runs) - set(waiting)
    # And go once it is open
    await spread.recovery(closed.number).open(nothing, nothing)
    await reconcile.start_what_was_accepted()
    assert set(await spread.store.load(runs)) == set(runs)


async def test_a_server_that_is_lost_keeps_only_the_runs_of_its_own_partitions(spread: Spread) -> None:
    # Given accepted runs in many partitions, and no way to one of those
    await spread.open()
    long_ago = Millis(await spread.store.now() - 60_000)
    runs = [(await spread.accept(f"run_{number:02}", created_at=long_ago)).run_id for number in range(40)]
    away = set(spread.partitions.split(runs)[partition_of(runs[0], PARTITIONS)])

    class Cut(NamedTuple):
        """Starts runs, but those that it cannot reach."""

        unreachable: set[RunId]

        async def start(self, head: RunHead, plan: bytes, since: Millis | None = None) -> StartOutcome:
            if head.run_id in self.unreachable:
                raise ServerUnavailable("SRV001", "there is nobody")
            return await spread.executor.start(head, plan, since)

    # When they are started, then all others run
    await reconciling(spread, Cut(away)).start_what_was_accepted()
    assert set(await spread.store.load(runs)) == set(runs) - away
    # And where none can be reached that is said
    with pytest.raises(ServerUnavailable, match="SRV001"):
        await reconciling(spread, Cut(set(runs)), partitions=1).start_what_was_accepted()


def reconciling(spread: Spread, starter: Starter, partitions: int = PARTITIONS) -> Reconcile:
    """The duty, for runs accepted a second ago or earlier."""
    parts = (spread.index, spread.documents, starter, spread.store.now, asyncio.Event(), spread.metrics)
    return Reconcile(*parts, partitions=partitions, interval_ms=1_000)


async def nothing() -> None:
    """Nothing stands on the stream, and nobody else opens the partition."""


async def test_runs_where_nobody_can_look_are_not_taken_for_stuck(spread: Spread) -> None:
    # Given runs of which Redis has lost all that it had, in an open partition, a closed one, and one that is away
    await spread.open()
    runs = await spread.under_way(40)
    await spread.pool.execute("UPDATE runs SET status = 'RUNNING', started_at = 1")
    await spread.journal.append(await spread.streamed())
    held, closed, away = list(spread.partitions.split(runs))[:3]
    for number in (held, closed, away):
        keys = [key for run in runs for key in spread.partitions.all[number].keys.state(run)]
        await spread.partitions.public.ask("DEL", *keys)
    at = spread.partitions.all[closed]
    await at.connection.ask("DEL", at.keys.epoch)
    partitions = without(spread.partitions, away)
    # When it is looked for runs that are stuck
    marks = StuckRuns(spread.pool)
    parts = (open_pulses(partitions), spread.index, marks, PushedSignals(partitions.public), spread.store.now)
    stuck = Stuck(*parts, asyncio.Event(), spread.metrics, stuck_after_ms=-60_000)
    await stuck.look()
    await stuck.look()
    # Then only those are found of which that is certain
    lost = spread.partitions.split(runs)[held]
    assert await marks.reasons(runs) == dict.fromkeys(lost, "Redis does not hold it")


def test_a_recovery_that_is_somebody_elses_now_is_told_of_no_more() -> None:
    # Given a partition that is being recovered
    health, metrics = Health(), Metrics()
    progress = Progress(health, metrics, metrics.recovering.set, 3, PARTITIONS)
    progress(Opening(7, "process", Millis(1), None, "state_lost", 5, 2, 0, 0))
    told = "recovering: 2 of the 5 open runs looked at were restored so far"
    assert health.reasons == {"recovery of partition 3": told}
    assert metrics.recovering._value.get() == 1
    # When this process loses it in the middle
    progress.forget()
    # Then it is as ready as any
    assert health.reasons == {}
    assert metrics.recovering._value.get() == 0


def test_a_gauge_of_all_partitions_shows_the_worst_of_them() -> None:
    shown = Gauge("shown", "", registry=None)
    worst = Worst(shown)
    seen = []
    for partition, value in [(0, 5.0), (1, 9.0), (0, 7.0), (1, 0.0), (0, 0.0)]:
        worst.of(partition)(value)
        seen.append(shown._value.get())
    assert seen == [5.0, 9.0, 9.0, 7.0, 0.0]
