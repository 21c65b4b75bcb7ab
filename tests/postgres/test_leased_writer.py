from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from pointsman.adapters.postgres.connect import close, connect
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.base.errors import ServerUnavailable
from pointsman.metrics import Metrics
from tests.support.journalled import Story
from tests.support.waiting import eventually

Candidate = Callable[..., LeasedWriter]


@pytest.fixture
async def candidate(database: str) -> AsyncIterator[Candidate]:
    """Makes writers, each of a process of its own unless told, and gives up their leases afterwards."""
    made: list[LeasedWriter] = []

    def make(
        stream: int = 0, ttl_ms: int = 60_000, metrics: Metrics | None = None, session: WriterSession | None = None
    ) -> LeasedWriter:
        made.append(LeasedWriter(session or WriterSession(database, ttl_ms), stream, metrics or Metrics()))
        return made[-1]

    yield make
    for writer in made:
        await writer.release()


async def connected(database: str) -> int:
    """How many connections writers have."""
    connection = await connect(database, name="test")
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'pointsman journal%'"
    )
    await close(connection)
    return count


async def hang_up_on_writers(database: str) -> None:
    connection = await connect(database, name="test")
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name LIKE 'pointsman journal%'"
    )
    await close(connection)


async def test_a_stream_has_one_writer_at_a_time(candidate: Candidate) -> None:
    first, second, of_another_stream = candidate(), candidate(), candidate(stream=1)
    assert await first.acquire()
    assert await first.acquire()
    assert not await second.acquire()
    assert await of_another_stream.acquire()


async def test_a_released_stream_goes_to_the_next_writer(candidate: Candidate) -> None:
    first, second = candidate(), candidate()
    await first.acquire()
    await first.release()
    assert await second.acquire()
    assert not await first.acquire()


async def test_a_writer_that_lost_its_connection_writes_nothing_more(candidate: Candidate, database: str) -> None:
    # Given a writer whose connection broke
    first, second = candidate(), candidate()
    await first.acquire()
    await hang_up_on_writers(database)
    # Then the next one gets the lease, and the first can neither write nor renew
    assert await second.acquire()
    with pytest.raises(ServerUnavailable, match="SRV040"):
        await first.write(Story().start().events)
    # And once it gave up, it stands in line like any other
    await first.release()
    assert not await first.acquire()


async def test_a_writer_that_hangs_is_hung_up_on(candidate: Candidate) -> None:
    # Given a writer that falls silent
    silent, second = candidate(ttl_ms=100), candidate()
    await silent.acquire()
    # Then the server ends its lease
    await eventually(second.acquire)
    with pytest.raises(ServerUnavailable, match="SRV040"):
        await silent.acquire()


async def test_the_writers_of_one_process_hold_their_streams_over_one_connection(
    candidate: Candidate, database: str
) -> None:
    # Given a process that writes two streams, and asks for one twice
    session = WriterSession(database, 60_000)
    one, two, again, other = (candidate(stream, session=session) for stream in (0, 1, 1, 2))
    assert [await writer.acquire() for writer in (one, two, again)] == [True, True, False]
    assert await connected(database) == 1
    assert [(await writer.write(Story(run).start().events)).rows for writer, run in ((one, "a"), (two, "b"))] == [1, 1]
    # When it gives one up, then another process may have that, and no other
    await one.release()
    elsewhere = [candidate(0), candidate(1)]
    assert [await writer.acquire() for writer in elsewhere] == [True, False]
    assert await two.acquire()
    # And with the last one goes the connection
    await two.release()
    assert await elsewhere[1].acquire()
    assert await connected(database) == 2
    # Whoever did not have the lease has nothing to give up
    assert await other.acquire()
    await again.release()
    assert not await candidate(2).acquire()


async def test_a_process_that_loses_its_connection_loses_all_its_streams_at_once(
    candidate: Candidate, database: str
) -> None:
    # Given a process that writes two streams, and whose connection broke
    session = WriterSession(database, 60_000)
    one, two = candidate(0, session=session), candidate(1, session=session)
    assert [await writer.acquire() for writer in (one, two)] == [True, True]
    await hang_up_on_writers(database)
    # When the first notices and takes its stream again, over another one
    with pytest.raises(ServerUnavailable, match="SRV040"):
        await one.acquire()
    await one.release()
    assert await one.acquire()
    # Then the second can neither write nor renew, though there is a connection
    for use in (two.acquire, partial(two.write, Story().start().events)):
        with pytest.raises(ServerUnavailable, match=r"SRV040 .* lease on stream 1 of the journal"):
            await use()
    # Until it has taken its stream again; and the first was left alone
    await two.release()
    assert await two.acquire()
    assert (await one.write(Story().start().events)).rows == 1


async def test_writers_of_one_process_write_one_after_the_other(candidate: Candidate, database: str) -> None:
    session = WriterSession(database, 60_000)
    writers = [candidate(stream, session=session) for stream in range(5)]
    assert await asyncio.gather(*(writer.acquire() for writer in writers)) == [True] * 5
    written = await asyncio.gather(
        *(writer.write(Story(f"run_{number}").start().end().events) for number, writer in enumerate(writers))
    )
    assert [len(batch.ended) for batch in written] == [1] * 5
    assert await connected(database) == 1


async def test_what_is_written_and_what_is_amiss_is_counted(candidate: Candidate) -> None:
    metrics = Metrics()
    writer = candidate(metrics=metrics)
    await writer.acquire()
    await writer.write(Story().start().steps(2).events)
    await writer.write(Story().start().end().events)
    assert b"pointsman_journal_rows_total 3.0" in metrics.render()
    assert b'pointsman_journal_alarms_total{kind="other_content"} 1.0' in metrics.render()
