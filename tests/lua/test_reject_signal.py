"""reject_signal: what the conformance suite does not see of it."""

from __future__ import annotations

from redis.asyncio import Redis

from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.ports.signal_source import Delivery
from tests.lua.conftest import FillMemory


async def delivered(source: RedisSignalSource, signal: bytes) -> Delivery:
    await source.send([signal])
    (delivery,) = await source.read(1, 1_000)
    return delivery


async def test_a_very_long_signal_is_kept_in_part(source: RedisSignalSource, operator: Redis) -> None:
    # Given a signal of a megabyte
    delivery = await delivered(source, b"x" * 1_000_000)
    # When it is rejected
    await source.reject(delivery, "SIG005", "it is too long")
    # Then its beginning and its length are kept
    ((_, fields),) = await operator.xrange("wf.signals.rejected")
    told = {"signal": "x" * 65_536, "code": "SIG005", "reason": "it is too long", "length": "1000000"}
    assert fields == told


async def test_a_signal_is_set_aside_when_memory_is_full(
    source: RedisSignalSource, operator: Redis, fill_memory: FillMemory
) -> None:
    # Given a bad signal on a server without memory
    delivery = await delivered(source, b"junk")
    await fill_memory()
    # When it is rejected
    await source.reject(delivery, "SIG001", "no JSON")
    # Then it is
    assert (await operator.xlen("wf.signals"), await operator.xlen("wf.signals.rejected")) == (0, 1)


async def test_a_signal_that_was_acknowledged_is_not_set_aside(source: RedisSignalSource, operator: Redis) -> None:
    # Given a signal that another has acknowledged meanwhile
    delivery = await delivered(source, b"fine")
    await operator.xack("wf.signals", "coordinators", delivery.id)
    # When it is rejected
    await source.reject(delivery, "SIG001", "no JSON")
    # Then it is not
    assert await operator.exists("wf.signals.rejected") == 0


async def test_no_signal_is_set_aside_where_state_was_lost(source: RedisSignalSource, operator: Redis) -> None:
    # Given a bad signal and a lost epoch
    delivery = await delivered(source, b"junk")
    await operator.delete("epoch")
    # When it is rejected
    await source.reject(delivery, "SIG001", "no JSON")
    # Then it stays
    assert (await operator.xlen("wf.signals"), await operator.exists("wf.signals.rejected")) == (1, 0)
