"""missing_tasks: which tasks are on their streams no more."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition


async def test_only_entries_that_are_on_no_stream_are_missing(partition: Partition, operator: Redis) -> None:
    # Given two streams, and an entry of one that was deleted
    kept = await operator.xadd("wf.tasks.a", {"token": "{}"})
    gone = await operator.xadd("wf.tasks.a", {"token": "{}"})
    await operator.xdel("wf.tasks.a", gone)
    other = await operator.xadd("wf.tasks.b", {"token": "{}"})
    # When they are looked for, and one on a stream that never was
    names = ("wf.tasks.a", "wf.tasks.b", "wf.tasks.c")
    pairs = (1, kept, 1, gone, 2, other, 3, other)
    # Then those that are not there are named
    assert await partition.run("missing_tasks", names, pairs) == ("looked", [[2, 4]])


async def test_nothing_is_looked_for_where_state_was_lost(partition: Partition, operator: Redis) -> None:
    await operator.delete("epoch")
    assert await partition.run("missing_tasks", ("wf.tasks.a",), (1, "1-1")) == ("fenced", [])
