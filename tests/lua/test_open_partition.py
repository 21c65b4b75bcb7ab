"""open_partition: who makes the epoch, and who does not."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition


async def test_of_many_that_open_an_empty_server_all_join_one_epoch(redis_db: str, operator: Redis) -> None:
    # Given a server that holds nothing
    # When several processes start at once
    opened = await asyncio.gather(*(Partition.open(redis_db) for _ in range(4)))
    # Then they are in one epoch, and the group is there
    epochs = {partition.epoch.decode() for partition in opened}
    for partition in opened:
        await partition.aclose()
    assert epochs == {await operator.get("epoch")}
    assert [group["name"] for group in await operator.xinfo_groups("wf.signals")] == ["coordinators"]


async def test_an_epoch_is_later_than_any_before_it(redis_db: str, operator: Redis) -> None:
    # Given a server whose epoch was made now
    seconds, _ = await operator.time()
    partition = await Partition.open(redis_db)
    await partition.aclose()
    # Then it is the time of its making: one made after FLUSHALL is another
    assert seconds <= int(partition.epoch) <= seconds + 5


async def test_where_the_epoch_was_lost_none_is_made(partition: Partition, redis_db: str, operator: Redis) -> None:
    # Given a server that holds state of ours and lost the epoch
    await operator.delete("epoch")
    # When a process starts
    late = await Partition.open(redis_db)
    # Then it is fenced until recovery has made one
    assert late.epoch == b""
    assert await operator.exists("epoch") == 0
    await operator.set("epoch", "9")
    assert await late.rejoin()
    assert late.epoch == b"9"
    await late.aclose()
