"""The lease of a worker whose Redis hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from pointsman.adapters.redis.workers import Holding
from pointsman.settings import WorkerSettings
from pointsman.worker.lease import Lease
from tests.support.waiting import eventually


class Nothing:
    """A process that works on nothing."""

    def holds(self) -> list[Holding]:
        return []

    def close(self, gone: Sequence[Holding]) -> None:
        raise AssertionError(gone)


def renewing() -> list[str]:
    """The threads that renew leases."""
    return [thread.name for thread in threading.enumerate() if thread.name == "lease"]


async def test_a_lease_that_nobody_waits_for_any_longer_ends_though_redis_hangs() -> None:
    # Given a server that lets everybody in and answers nothing, and a lease that is being renewed there
    asked = asyncio.Event()
    writers = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.read(1)
        asked.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = WorkerSettings(heartbeat_ms=10)
    lease = Lease(f"redis://127.0.0.1:{port}/0", "worker-1", ["a"], settings, [Nothing()])
    lease.start()
    await asked.wait()
    # When whoever stops it has no more time
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lease.stop()
    # Then its thread is gone long before Redis would have been given up
    await eventually(lambda: not renewing(), timeout=4)
    server.close()
    for writer in writers:
        writer.close()
