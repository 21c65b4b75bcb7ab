"""W2's floor: two processes, two streams, nothing in between."""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise

import uvloop

from bench.clock import nanoseconds
from bench.stack import ROOT
from pointsman.adapters.redis.partition import Partition

PING, PONG = "bench.ping", "bench.pong"
ROUNDS = 1_000


async def _answer(url: str) -> None:
    """The other process: every ping is answered."""
    partition = await Partition.open(url)
    await _turns(partition, PING, PONG, ROUNDS, begins=False)
    await partition.aclose()


async def _turns(partition: Partition, reads: str, writes: str, rounds: int, *, begins: bool) -> list[int]:
    """Read and write by turns; when each entry was read."""
    reading, writing = partition.connection.sibling(), partition.connection
    seen, last = [], "0"
    if begins:
        await writing.ask("XADD", writes, "*", "body", "x" * 100)
    for _ in range(rounds):
        answer = await reading.ask("XREAD", "COUNT", 1, "BLOCK", 5_000, "STREAMS", reads, last)
        last = answer[0][1][0][0].decode()
        seen.append(nanoseconds())
        await writing.ask("XADD", writes, "*", "body", "x" * 100)
    await reading.aclose()
    return seen


async def ping_pong(partition: Partition, url: str) -> list[float]:
    """Milliseconds of each round: there and back."""
    other = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.ping_pong", url, cwd=ROOT)
    seen = await _turns(partition, PONG, PING, ROUNDS, begins=True)
    await other.wait()
    await partition.connection.ask("DEL", PING, PONG)
    return [(after - before) / 1e6 for before, after in pairwise(seen[100:])]


if __name__ == "__main__":
    uvloop.run(_answer(sys.argv[1]))
