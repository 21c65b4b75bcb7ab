"""How many partitions there are, and the epochs of their openings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pointsman.adapters.postgres.layout import PostgresLayout
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import Millis
from pointsman.execute.layout import settle
from pointsman.ports.recovery import Opening

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

OPENING = Opening(10, "process", Millis(1), None, "first_opening", 0, 0, 0, 0)


async def nobody(partitions: int) -> bool:
    """Redis is empty."""
    return False


async def somebody(partitions: int) -> bool:
    """Redis holds runs."""
    return True


async def test_the_first_number_counts_until_redis_is_empty(pool: Pool) -> None:
    layout = PostgresLayout(pool)
    assert await layout.partitions() is None
    # Given that the first supervisor was told four
    await settle(layout, 4, somebody)
    await settle(layout, 4, somebody)
    # Then nobody may have eight, as long as Redis holds anything
    with pytest.raises(ServerUnavailable, match=r"SRV065 .* is 8, and the runs in Redis are spread over 4\."):
        await settle(layout, 8, somebody)
    assert await layout.partitions() == 4
    await settle(layout, 8, nobody)
    assert await layout.partitions() == 8


async def test_a_redis_that_an_earlier_release_opened_has_one_partition(pool: Pool) -> None:
    # Given an opening as a release wrote it that knew of no partitions
    await pool.execute(
        "INSERT INTO openings (epoch, server, began_at, reason) VALUES (7, 'process', 1, 'first_opening')"
    )
    layout = PostgresLayout(pool)
    assert await layout.partitions() == 1
    with pytest.raises(ServerUnavailable, match="SRV065"):
        await settle(layout, 4, somebody)
    # Then it is known as such, and the number that is told first afterwards counts
    newest = await PostgresOpenRuns(pool).newest()
    assert newest is not None
    assert newest.epoch == 7
    await settle(layout, 4, nobody)
    assert await layout.partitions() == 4


async def test_openings_of_all_partitions_at_once_have_epochs_of_their_own(pool: Pool) -> None:
    records = [PostgresOpenRuns(pool, number, 8) for number in range(8)]
    begun = await asyncio.gather(*(record.begin(OPENING) for record in records))
    assert sorted(opening.epoch for opening in begun) == list(range(10, 18))
    assert [await record.newest() for record in records] == begun
    # And each later one is behind all of those
    assert (await records[3].begin(OPENING)).epoch == 18


async def test_of_two_that_lay_out_an_empty_redis_differently_only_the_one_that_counts_opens_anything(
    pool: Pool,
) -> None:
    # Given two supervisors that were told different numbers, and find Redis empty at the same time
    await asyncio.gather(*(settle(PostgresLayout(pool), number, nobody) for number in (4, 8)), return_exceptions=True)
    counts = await PostgresLayout(pool).partitions()
    (other,) = {4, 8} - {counts}
    # When both open partitions
    await PostgresOpenRuns(pool, 3, counts or 0).begin(OPENING)
    with pytest.raises(ServerUnavailable, match=rf"SRV065 .* is {other}, .* over {counts}\."):
        await PostgresOpenRuns(pool, 3, other).begin(OPENING)
    # Then only one of them has
    assert await pool.fetchval("SELECT count(*) FROM openings") == 1
