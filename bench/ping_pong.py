"""W2's floor: two processes, two streams, nothing in between.

Measured twice: with redis-py, as anybody would write it, and over our own connection, which nobody can undercut here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any, Final, Literal

import redis.asyncio
import uvloop

from bench.clock import nanoseconds
from bench.stack import ROOT
from pointsman.adapters.redis.partition import Partition

PING, PONG = "bench.ping", "bench.pong"
ROUNDS: Final = 1_000
WARM_UP: Final = 100
BODY: Final = "x" * 100

Client = Literal["redis-py", "own"]
Send = Callable[[str], Awaitable[object]]
Receive = Callable[[str, str], Awaitable[str]]
"""Waits for the entry of a stream behind another; its id."""


async def ping_pong(url: str, client: Client) -> list[float]:
    """Milliseconds of each round: there and back."""
    other = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.ping_pong", url, client, cwd=ROOT)
    seen = await _play(url, client, reads=PONG, writes=PING, begins=True)
    await other.wait()
    async with redis.asyncio.Redis.from_url(url) as cleaning:
        await cleaning.delete(PING, PONG)
    return [(after - before) / 1e6 for before, after in pairwise(seen[WARM_UP:])]


async def _play(url: str, client: Client, *, reads: str, writes: str, begins: bool) -> list[int]:
    return await (_with_redis_py if client == "redis-py" else _with_our_own)(url, reads, writes, begins)


async def _with_redis_py(url: str, reads: str, writes: str, begins: bool) -> list[int]:
    async with redis.asyncio.Redis.from_url(url) as reading, redis.asyncio.Redis.from_url(url) as writing:

        async def send(stream: str) -> object:
            return await writing.xadd(stream, {"body": BODY})

        async def receive(stream: str, last: str) -> str:
            answer: Any = await reading.xread({stream: last}, count=1, block=5_000)
            return str(answer[0][1][0][0].decode())

        return await _turns(send, receive, reads, writes, begins)


async def _with_our_own(url: str, reads: str, writes: str, begins: bool) -> list[int]:
    partition = await Partition.open(url)
    reading = partition.connection.sibling()

    async def send(stream: str) -> object:
        return await partition.connection.ask("XADD", stream, "*", "body", BODY)

    async def receive(stream: str, last: str) -> str:
        answer = await reading.ask("XREAD", "COUNT", 1, "BLOCK", 5_000, "STREAMS", stream, last)
        return str(answer[0][1][0][0].decode())

    try:
        return await _turns(send, receive, reads, writes, begins)
    finally:
        await reading.aclose()
        await partition.aclose()


async def _turns(send: Send, receive: Receive, reads: str, writes: str, begins: bool) -> list[int]:
    """Receive and send by turns; when each entry was received."""
    seen, last = [], "0"
    if begins:
        await send(writes)
    for _ in range(ROUNDS):
        last = await receive(reads, last)
        seen.append(nanoseconds())
        await send(writes)
    return seen


if __name__ == "__main__":
    chosen: Client = "own" if sys.argv[2] == "own" else "redis-py"
    uvloop.run(_play(sys.argv[1], chosen, reads=PING, writes=PONG, begins=False))
