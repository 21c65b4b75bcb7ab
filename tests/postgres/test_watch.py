from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pointsman.adapters.postgres.append import append
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.migrate import migrate
from pointsman.adapters.postgres.watch import JournalWatch
from pointsman.base.ids import RunId
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.ports.journal import JournalEvent
from tests.support.journalled import BODY, Story
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

RUN = RunId("run_1")
NEVER = 3_600.0


@pytest.fixture
async def watch(pool: Pool, database: str) -> AsyncIterator[JournalWatch]:
    """A watch that hears of nothing but what is announced."""
    await Documents(pool).put_definition(BODY)
    await Documents(pool).put_plan(BODY)
    async with JournalWatch(pool, database, recheck_seconds=NEVER) as watch:
        await eventually(lambda: is_listening(pool))
        yield watch


async def is_listening(pool: Pool) -> bool:
    return bool(
        await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'pointsman watch' AND query LIKE 'LISTEN%'"
        )
    )


async def write(pool: Pool, *events: JournalEvent) -> None:
    async with pool.acquire() as connection:
        await append(connection, events)


async def followed(watch: JournalWatch, after_seq: int = 0) -> list[JournalEvent]:
    return [event async for batch in watch.follow(RUN, after_seq) for event in batch]


async def test_what_is_durable_already_is_not_waited_for(watch: JournalWatch, pool: Pool) -> None:
    await write(pool, *Story().start().steps(2).events)
    assert await watch.wait_until(RUN, 3)


async def test_an_event_that_redis_lost_is_not_taken_for_the_one_in_its_place(watch: JournalWatch, pool: Pool) -> None:
    # Given a run that had three events, of which the journal has two, and whose third one is of the recovery
    before, lost, after = Story().start().steps(1), Story().start().steps(2), Story().start().steps(1)
    await write(pool, *before.events)
    after.epoch = 2
    await write(pool, after.tell("recovered").events[-1])
    # When somebody waits for each of them
    events = [before.events[1], lost.events[2], after.events[2]]
    told = [await watch.confirm(RUN, event.seq, event.tip, timeout=1) for event in events]
    # Then the lost one is told from the one with its number
    assert told == ["durable", "lost", "durable"]
    assert await watch.confirm(RUN, 4, after.events[2].tip, timeout=0.01) == "late"


async def test_waiting_ends_when_the_event_is_durable(watch: JournalWatch, pool: Pool) -> None:
    # Given some who wait for different events, and one for another run
    story = Story().start().steps(2)
    waits = [asyncio.ensure_future(watch.wait_until(RUN, seq)) for seq in (1, 2, 3, 3)]
    other = asyncio.ensure_future(watch.wait_until(RunId("run_2"), 1))
    # When two events are written
    await write(pool, *story.events[:2])
    # Then those who waited for them go on, and only those
    assert await asyncio.gather(*waits[:2]) == [True, True]
    assert not any(wait.done() for wait in (*waits[2:], other))
    await write(pool, *story.events[2:], *Story("run_2").start().events)
    assert await asyncio.gather(*waits, other) == [True] * 5


async def test_a_wait_that_takes_too_long_says_so(watch: JournalWatch) -> None:
    assert not await watch.wait_until(RUN, 1, timeout=0.01)
    assert watch._waiting == {}


async def test_a_lost_notification_only_delays_the_wait(pool: Pool, database: str) -> None:
    # Given a watch that checks by itself every few milliseconds
    async with JournalWatch(pool, database, recheck_seconds=0.02) as watch:
        wait = asyncio.ensure_future(watch.wait_until(RUN, 1))
        # When an event appears that nobody announced
        await pool.execute("INSERT INTO events VALUES ('run_1', 1, 1, 'tip', 1, 'start', '{}')")
        # Then it is found all the same
        assert await wait


async def test_a_run_is_followed_without_gap_or_duplicate_to_its_end(watch: JournalWatch, pool: Pool) -> None:
    # Given followers from different places, and a run that has begun
    story = Story().start().steps(1200).end()
    await write(pool, *story.events[:7])
    followers = [asyncio.ensure_future(followed(watch, after)) for after in (0, 5, 700)]
    # When the rest is written in uneven batches
    for begin in range(7, len(story.events), 311):
        await write(pool, *story.events[begin : begin + 311])
    # Then each has what is behind its place, and ended with the run
    assert await asyncio.gather(*followers) == [story.events[after:] for after in (0, 5, 700)]


async def test_following_a_run_from_its_end_ends_at_once(watch: JournalWatch, pool: Pool) -> None:
    story = Story().start().end()
    await write(pool, *story.events)
    assert await followed(watch, 2) == []
    assert await followed(watch, 1) == story.events[1:]


async def test_a_follower_of_a_silent_run_gets_signs_of_life(watch: JournalWatch, pool: Pool) -> None:
    batches = watch.follow(RUN, idle_seconds=0.01)
    assert [await anext(batches), await anext(batches)] == [[], []]
    story = Story().start()
    await write(pool, *story.events)
    await eventually(lambda: anext(batches))
    await batches.aclose()
    assert watch._waiting == {}


async def test_a_watch_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    # Given a follower
    with EmbeddedPostgres(tmp_path, fsync=False) as server:
        await migrate(server.dsn)
        pool = await open_pool(server.dsn, name="test")
        async with JournalWatch(pool, server.dsn, recheck_seconds=0.02) as watch:
            await eventually(lambda: is_listening(pool))
            wait = asyncio.ensure_future(watch.wait_until(RUN, 1))
            # When the server restarts
            await asyncio.to_thread(server.restart)
            # Then the watch listens again, and the wait ends when it should
            await eventually(lambda: is_listening(pool))
            await write(pool, *Story().start().events)
            assert await wait
        await pool.close()


async def test_a_watch_can_be_started_and_stopped_at_any_moment(pool: Pool, database: str) -> None:
    for turns in range(12):
        async with JournalWatch(pool, database):
            for _ in range(turns * 3):
                await asyncio.sleep(0)
    await eventually(lambda: nobody_watches(pool))


async def nobody_watches(pool: Pool) -> bool:
    left = await pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pointsman watch'")
    return bool(left == 0)
