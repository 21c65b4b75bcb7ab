"""A store that fills up: told of when it is nearly full, an alarm once it is."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from pointsman.adapters.memory.congestion import MemoryCongestion
from pointsman.adapters.memory.server import MemoryServer
from pointsman.base.clock import ManualClock
from pointsman.health import Health
from pointsman.metrics import Metrics
from supervisor.memory import MemoryAlarm


async def test_memory_that_fills_up_is_told_of_once_and_makes_the_process_unready() -> None:
    # Given somebody who watches a store
    server, health, metrics = MemoryServer(ManualClock()), Health(), Metrics()
    alarm = MemoryAlarm(MemoryCongestion(server), asyncio.Event(), metrics, health)
    seen = []
    # When it fills up, and empties
    for share in (0.5, 0.85, 0.9, 1.02, 1.0, 0.85, 0.5):
        server.memory = share
        with capture_logs() as logs:
            await alarm.look()
        gauge = metrics.registry.get_sample_value("pointsman_memory_share")
        seen.append((gauge, [line["event"] for line in logs], health.is_ready))
    # Then each change is told once, and the process is not ready while it is full
    assert seen == [
        (0.5, [], True),
        (0.85, ["redis_memory_short"], True),
        (0.9, [], True),
        (1.02, ["redis_memory_full"], False),
        (1.0, [], False),
        (0.85, ["redis_memory_short"], True),
        (0.5, [], True),
    ]
