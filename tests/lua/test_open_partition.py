"""open_partition and close_partition: the fence, and who may open it."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.base.errors import ServerUnavailable
from tests.support.stories import PLAN_BODY, Story

LATER = 4_000_000_000
"""An epoch behind all that a clock gives."""


async def test_whoever_connects_makes_no_epoch_of_its_own(redis_db: str, operator: Redis) -> None:
    # Given a server that lost everything
    await operator.flushdb()
    # When a process connects
    late = await Partition.open(redis_db)
    # Then it is fenced, and the server as empty as it was
    assert late.epoch == b""
    assert await RedisRunStore(late).start(Story("run_1", "a").first, PLAN_BODY) == "fenced"
    assert await operator.keys("*") == []
    await late.aclose()


async def test_a_partition_that_was_prepared_opens_and_keeps_what_waits_in_it(
    partition: Partition, operator: Redis
) -> None:
    # Given a signal that came while there was nothing else
    await operator.flushdb()
    await operator.xadd("wf.signals", {"signal": "{}"})
    recovery = RedisRecovery(partition)
    # When the partition is closed and opened
    await recovery.close(LATER)
    assert (await operator.get("epoch"), await operator.get("wf.recovery")) == (None, str(LATER))
    await recovery.open(LATER)
    # Then it is in the new epoch, on this server process, and the signal is there for the coordinators
    info = await operator.info("server")
    assert [await operator.get(key) for key in ("epoch", "wf.server", "wf.recovery")] == [
        str(LATER),
        info["run_id"],
        None,
    ]
    assert partition.epoch == str(LATER).encode()
    groups = await operator.xinfo_groups("wf.signals")
    assert [(group["name"], group["pending"], await operator.xlen("wf.signals")) for group in groups] == [
        ("coordinators", 0, 1)
    ]


async def test_a_partition_opened_on_another_server_process_counts_as_closed(
    partition: Partition, operator: Redis
) -> None:
    # Given a server that came back from a file, and with it what its predecessor was opened in
    await operator.set("wf.server", "the-process-before")
    # Then whoever asks finds the fence closed
    assert not await partition.rejoin()
    assert not (await RedisRecovery(partition).look()).is_open


@pytest.mark.parametrize("later", ["epoch", "wf.recovery"])
async def test_an_epoch_that_is_not_the_latest_closes_nothing(
    partition: Partition, operator: Redis, later: str
) -> None:
    # Given an epoch, or one that is being prepared
    await operator.set(later, LATER + (later == "wf.recovery"))
    before = await RedisRunStore(partition).dump()
    # When somebody comes with an earlier one
    with pytest.raises(ServerUnavailable) as refused:
        await RedisRecovery(partition).close(LATER)
    # Then it is told so, and nothing has changed
    assert refused.value.code == "SRV063"
    assert await RedisRunStore(partition).dump() == before


async def test_state_lost_during_a_recovery_keeps_the_fence_closed(partition: Partition, operator: Redis) -> None:
    # Given a partition that is being recovered, and loses everything once more
    recovery = RedisRecovery(partition)
    await recovery.close(LATER)
    await operator.flushdb()
    # When it is to be opened
    with pytest.raises(ServerUnavailable) as refused:
        await recovery.open(LATER)
    # Then it stays closed
    assert refused.value.code == "SRV063"
    assert await operator.keys("*") == []
