"""Threads for handlers that are plain functions."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pointsman.worker.threads import Threads


async def test_results_and_errors_come_back_to_the_event_loop() -> None:
    threads = Threads(2, "test")
    assert await threads.run(lambda: threading.current_thread().name) == "test-1"
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert await threads.run(lambda: "still alive") == "still alive"


async def test_threads_are_started_only_when_all_are_busy() -> None:
    # Given three threads at most
    threads = Threads(3, "test")
    names = [await threads.run(lambda: threading.current_thread().name) for _ in range(5)]
    assert set(names) == {"test-1"}
    # When three functions run that only go on together
    together = threading.Barrier(3, timeout=30)

    def meet() -> str:
        together.wait()
        return threading.current_thread().name

    # Then there are three threads
    assert sorted(await asyncio.gather(*(threads.run(meet) for _ in range(3)))) == ["test-1", "test-2", "test-3"]


async def test_a_function_nobody_waits_for_any_more_harms_nothing() -> None:
    threads = Threads(1, "test")
    go = threading.Event()
    abandoned = threads.run(go.wait)
    abandoned.cancel()
    go.set()
    assert await threads.run(lambda: "next") == "next"
