"""The shell of a long-lived process: settings, signals, loops that are started again when they fail, exit codes."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import IntEnum
from typing import Final

import structlog
import uvloop

from pointsman.base.clock import monotonic
from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import ServerUnavailable, SettingsError
from pointsman.health import Health, health_server
from pointsman.logging import configure
from pointsman.metrics import Metrics
from pointsman.settings import Process, Settings, load

log = structlog.get_logger()

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STEADY_S: Final = 1.0
"""A loop that has run this long counts as working again."""
CANCEL_AGAIN_S: Final = 0.2
"""How long a loop that is cancelled may clean up before it is cancelled again."""
COLLECTING: Final = (20_000, 20, 50)
"""Allocations before the youngest objects are looked through, and how often that before older ones are."""

Loop = Callable[[], Awaitable[None]]
"""Works until the service drains, then returns. Called again after it failed."""


class Exit(IntEnum):
    """How a process ended."""

    DRAINED = 0
    CRASHED = 1
    BAD_SETTINGS = 2
    BAD_SERVER = 3
    """Redis, Postgres or a port was not as needed when the process started."""
    CUT_SHORT = 4
    """Told to stop, it was not done within the grace period, or was told twice."""


class Service:
    """One process at work: what its parts share, and the loops it runs."""

    def __init__(self, settings: Settings, metrics_port: int = 0) -> None:
        self.settings = settings
        self.drain = asyncio.Event()
        """Set once the process shall finish what it has begun, and begin nothing more."""
        self.metrics = Metrics()
        self.health = Health()
        self.crasher = Crasher(settings.crash_at)
        self._metrics_port = metrics_port

    def warn(self, warnings: Iterable[str]) -> None:
        """Log what is allowed of a server but worth telling its operator."""
        for reason in warnings:
            log.warning("server_not_ideal", reason=reason)

    async def run(self, loops: Mapping[str, Loop]) -> Exit:
        """Run every loop, each under its name, until the process is told to stop and they are done.

        Raises:
            ServerUnavailable: SRV050, the port for health and metrics is taken.
        """
        async with health_server(self.health, self.metrics, self.settings.metrics_host, self._metrics_port):
            tasks = [
                asyncio.create_task(self.keep_running(name, loop, self.drain), name=name)
                for name, loop in loops.items()
            ]
            forget = self._obey_signals(tasks)
            # What there is by now stays, and what is kept later (programs, snapshots) is no garbage either: looking
            # through it all again and again would hold everything up, 30 to 200 ms at a time.
            gc.freeze()
            gc.set_threshold(*COLLECTING)
            log.info("service_started", loops=sorted(loops))
            try:
                return await self._until_drained(tasks)
            finally:
                forget()

    async def _until_drained(self, tasks: list[asyncio.Task[None]]) -> Exit:
        try:
            await self.drain.wait()
            self.health.unready("service", "it is stopping")
            await asyncio.wait(tasks, timeout=self.settings.grace_period_ms / 1000)
        finally:
            await _end(tasks)
        unfinished = [task.get_name() for task in tasks if task.cancelled() or task.exception() is not None]
        if unfinished:
            log.warning("drain_cut_short", loops=unfinished)
            return Exit.CUT_SHORT
        log.info("service_drained")
        return Exit.DRAINED

    async def keep_running(self, name: str, loop: Loop, drain: asyncio.Event) -> None:
        """Run one loop that works until `drain` is set, again and again with growing pauses as long as it fails."""
        failures = 0
        while not drain.is_set():
            began = monotonic()
            try:
                await self._watched(name, loop)
                return
            except ServerUnavailable as wrong:
                log.warning("server_unavailable", loop=name, code=wrong.code, reason=wrong.message)
                self.health.unready(name, str(wrong))
            except Exception as wrong:
                log.exception("loop_failed", loop=name)
                self.health.unready(name, f"{type(wrong).__name__}: {wrong}")
            failures = 1 if monotonic() - began > STEADY_S else failures + 1
            await pause(drain, backoff(failures))

    async def _watched(self, name: str, loop: Loop) -> None:
        running = asyncio.ensure_future(loop())
        try:
            await asyncio.wait([running], timeout=STEADY_S)
            if not running.done():
                self.health.ready(name)
            await running
        finally:
            running.cancel()

    def _obey_signals(self, tasks: list[asyncio.Task[None]]) -> Callable[[], None]:
        """SIGTERM and SIGINT drain; the second of them ends the loops at once."""
        event_loop = asyncio.get_running_loop()
        obeyed = (signal.SIGTERM, signal.SIGINT)

        def stop() -> None:
            if self.drain.is_set():
                for task in tasks:
                    task.cancel()
            self.drain.set()

        def forget() -> None:
            for number in obeyed:
                event_loop.remove_signal_handler(number)

        for number in obeyed:
            event_loop.add_signal_handler(number, stop)
        return forget


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: a query that is cancelled gives its connection back first, and a pool takes that only when
    Postgres has answered. One that hangs would keep the process for as long.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row; by chance between half and all of a doubling span."""
    longest = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)
    return longest * (0.5 + random.random() / 2)


async def pause(drain: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the moment the service drains."""
    try:
        async with asyncio.timeout(seconds):
            await drain.wait()
    except TimeoutError:
        pass


def main(
    process: Process, run: Callable[[Settings], Awaitable[Exit]], environ: Mapping[str, str] | None = None
) -> Exit:
    """Be a process: read the settings, run, and say in one line what kept it from starting if something did."""
    try:
        settings = load(process, environ)
    except SettingsError as wrong:
        print(wrong, file=sys.stderr)
        return Exit.BAD_SETTINGS
    configure(settings, process)
    try:
        return uvloop.run(_awaited(run, settings))
    except ServerUnavailable as wrong:
        print(wrong, file=sys.stderr)
        return Exit.BAD_SERVER


async def _awaited(run: Callable[[Settings], Awaitable[Exit]], settings: Settings) -> Exit:
    return await run(settings)
