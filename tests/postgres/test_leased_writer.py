from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from pointsman.adapters.postgres.connect import close, connect
from pointsman.adapters.postgres.journal import LeasedWriter
from pointsman.base.errors import ServerUnavailable
from pointsman.metrics import Metrics
from tests.support.journalled import Story
from tests.support.waiting import eventually

Candidate = Callable[..., LeasedWriter]


@pytest.fixture
async def candidate(database: str) -> AsyncIterator[Candidate]:
    """Makes writers, and gives up their leases afterwards."""
    made: list[LeasedWriter] = []

    def make(stream: int = 0, ttl_ms: int = 60_000, metrics: Metrics | None = None) -> LeasedWriter:
        made.append(LeasedWriter(database, stream, ttl_ms, metrics or Metrics()))
        return made[-1]

    yield make
    for writer in made:
        await writer.release()


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


async def test_what_is_written_and_what_is_amiss_is_counted(candidate: Candidate) -> None:
    metrics = Metrics()
    writer = candidate(metrics=metrics)
    await writer.acquire()
    await writer.write(Story().start().steps(2).events)
    await writer.write(Story().start().end().events)
    assert b"pointsman_journal_rows_total 3.0" in metrics.render()
    assert b'pointsman_journal_alarms_total{kind="other_content"} 1.0' in metrics.render()
