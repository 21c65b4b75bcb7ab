"""intake: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.signal_source import RedisSignalSource
from tests.lua.conftest import FillMemory


async def test_what_a_dead_process_took_off_the_list_comes_first(source: RedisSignalSource, operator: Redis) -> None:
    # Given a process that died between BLMOVE and the script
    await operator.rpush("completion_signals", "1", "2")
    await operator.lmove("completion_signals", "completion_signals.staging", "LEFT", "RIGHT")
    # When another takes in
    moved = await source.intake(0)
    # Then both are on the stream, in order
    assert moved == 2
    assert [fields["signal"] for _, fields in await operator.xrange("wf.signals")] == ["1", "2"]
    assert await operator.exists("completion_signals", "completion_signals.staging") == 0


async def test_signals_come_in_when_memory_is_full(
    source: RedisSignalSource, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a signal that was pushed just before memory was full, when BLMOVE is refused
    await source.intake(1)
    await operator.rpush("completion_signals", "1")
    await fill_memory()
    # When it is taken in, and then nothing more comes
    moved = [await source.intake(1), await source.intake(1)]
    # Then it is on the stream
    assert moved == [1, 0]
    assert await operator.xlen("wf.signals") == 1


async def test_nothing_is_taken_in_where_state_was_lost(source: RedisSignalSource, operator: Redis) -> None:
    # Given a signal on the list and a lost epoch
    await operator.rpush("completion_signals", "1")
    await operator.delete("epoch")
    # When it is taken in
    moved = await source.intake(0)
    # Then it stays until recovery is done
    assert moved == 0
    assert await operator.llen("completion_signals") == 1
