"""The stress every long-lived loop passes: started and stopped at any moment, it ends in time and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

MakeLoop = Callable[[asyncio.Event], Callable[[], Awaitable[None]]]
"""Makes a loop that works until the event is set."""

_PATIENCE_S = 30.0


async def stress(make: MakeLoop, rounds: int = 8) -> None:
    """Put a loop through every kind of beginning and end."""
    before = asyncio.all_tasks()
    await _stopped_before_it_began(make)
    for turns in range(rounds):
        await _drained(make, turns**2)
        await _cancelled(make, turns**2)
    await _two_at_once(make)
    left = asyncio.all_tasks() - before
    assert not left, f"still running: {left}"


async def _stopped_before_it_began(make: MakeLoop) -> None:
    drain = asyncio.Event()
    drain.set()
    await asyncio.wait_for(make(drain)(), _PATIENCE_S)


async def _drained(make: MakeLoop, turns: int) -> None:
    drain = asyncio.Event()
    running = asyncio.ensure_future(make(drain)())
    await _let_run(turns)
    drain.set()
    await asyncio.wait_for(running, _PATIENCE_S)


async def _cancelled(make: MakeLoop, turns: int) -> None:
    running = asyncio.ensure_future(make(asyncio.Event())())
    await _let_run(turns)
    running.cancel()
    async with asyncio.timeout(_PATIENCE_S):
        await asyncio.wait([running])


async def _two_at_once(make: MakeLoop) -> None:
    drains = [asyncio.Event(), asyncio.Event()]
    running = [asyncio.ensure_future(make(drain)()) for drain in drains]
    await _let_run(30)
    for drain, loop in zip(drains, running, strict=True):
        drain.set()
        await asyncio.wait_for(loop, _PATIENCE_S)


async def _let_run(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
