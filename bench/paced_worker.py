"""A worker that takes its time over each task and costs next to nothing: it sets the pace of a load, and times it.

A hop is the time from the moment it has reported a task to the moment it holds the run's next one. Told to stop, it
writes them all to a file: pairs of when (ns) and how long (ns).
"""

from __future__ import annotations

import asyncio
import heapq
import signal
import sys
from array import array
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import uvloop

from bench.clock import nanoseconds
from pointsman.adapters.redis.keys import WORKERS
from pointsman.adapters.redis.packing import Command
from pointsman.adapters.redis.partition import Partition
from pointsman.protocol.output import inline
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.settings import load

TYPE = "paced"
TIMED = "s"
"""Begins the names of the nodes whose hops are timed and that are thought about; others are done at once."""
OUTPUT = inline({"pad": "x" * 89}).data
SLACK_NS = 200_000


class Wanted(msgspec.Struct):
    """What it reads of a task."""

    job_id: str
    run_id: str
    node_id: str


class PacedWorker:
    """One consumer of the tasks of its type."""

    def __init__(self, partition: Partition, think_ms: float) -> None:
        self._partition = partition
        self._stream = partition.keys.tasks(TYPE)
        self._think_ns = int(think_ms * 1e6)
        self._chance = Random(1)
        self._due: list[tuple[int, str, str]] = []
        self._more = asyncio.Event()
        self._reported: dict[str, int] = {}
        self.hops = array("q")

    async def read(self) -> None:
        """Take tasks, for ever."""
        reading = self._partition.connection.sibling()
        decode = msgspec.json.Decoder(Wanted).decode
        await self._partition.know_types([TYPE])
        command = ("XREADGROUP", "GROUP", WORKERS, "paced", "COUNT", 512, "BLOCK", 1_000, "STREAMS", self._stream, ">")
        while True:
            answer: Any = await reading.ask(*command)
            now = nanoseconds()
            for _, fields in answer[0][1] if answer else ():
                self._take(decode(fields[1]), now)
            self._more.set()

    def _take(self, task: Wanted, now: int) -> None:
        if not task.node_id.startswith(TIMED):
            heapq.heappush(self._due, (now, task.job_id, ""))
            return
        before = self._reported.get(task.run_id)
        if before is not None:
            self.hops.extend((now, now - before))
        due = now + int(self._think_ns * (0.5 + self._chance.random()))
        heapq.heappush(self._due, (due, task.job_id, task.run_id))

    async def report(self) -> None:
        """Report what is due, for ever."""
        while True:
            while not self._due:
                self._more.clear()
                await self._more.wait()
            await asyncio.sleep(max(self._due[0][0] - nanoseconds(), 0) / 1e9)
            await self._report_due()

    async def _report_due(self) -> None:
        commands: list[Command] = []
        until = nanoseconds() + SLACK_NS
        while self._due and self._due[0][0] <= until:
            _, job, run = heapq.heappop(self._due)
            if run:
                self._reported[run] = nanoseconds()
            body = encode_wire(WireSignal("completed", job_id=job, result_data=OUTPUT))
            commands.append(("XADD", self._partition.keys.signals, "*", "signal", body))
        await self._partition.connection.ask_all(commands)


async def main(think_ms: float) -> array[int]:
    """Work until told to stop; the hops there were."""
    partition = await Partition.open(load("worker").redis_dsn)
    worker, stop = PacedWorker(partition, think_ms), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    working = [asyncio.create_task(work) for work in (worker.read(), worker.report(), stop.wait())]
    done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
    for task in working:
        task.cancel()
    for task in done:
        task.result()
    await partition.aclose()
    return worker.hops


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(uvloop.run(main(float(sys.argv[1]))).tobytes())
