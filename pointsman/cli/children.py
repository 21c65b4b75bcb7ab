"""Processes that are kept running: one that ends is started again, and said so; one signal ends them all."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Final, NamedTuple

from pointsman.base.clock import monotonic
from pointsman.embedded import launch

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_STEADY_S: Final = 30.0
"""A child that stayed up this long has recovered: its next end counts as its first."""
_CHUNK: Final = 65_536

Tell = Callable[[str, str], None]
"""Takes the name of a process and one line about it, or from it."""


class Program(NamedTuple):
    """What a child runs: arguments for this very Python."""

    name: str
    arguments: tuple[str, ...]


class Child:
    """One program that is started again whenever it ends, after a pause that grows while it keeps ending."""

    def __init__(self, program: Program, environment: Mapping[str, str], said: Tell, tell: Tell) -> None:
        self.name = program.name
        self._command = tied_to_us([sys.executable, *program.arguments])
        self._environment = environment
        self._said = said
        self._tell = tell
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self.ended = asyncio.Event()
        """Set when it ended without being told to, even if it runs again by now."""

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now, if one does."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep(self, started: Callable[[], None]) -> None:
        """Run the program until `stop`; `started` is called each time there is a new process."""
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = monotonic()
            end = await self._run_once(started)
            if self._stopping.is_set():
                return
            self.ended.set()
            pause = _FIRST_PAUSE_S if monotonic() - began > _STEADY_S else pause
            self._tell(self.name, f"{end}; it is started again in {pause:g} s")
            await self._rest(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def stop(self, grace_s: float) -> None:
        """Ask the process to finish its work and end; kill it when it has not in time."""
        self._stopping.set()
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            self._tell(self.name, f"did not end within {grace_s:g} s and was killed")
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _run_once(self, started: Callable[[], None]) -> str:
        """Run the program to its end; how that was, in words."""
        try:
            self._process = await self._begin()
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        started()
        await self._pass_on(self._process)
        return _described(await self._process.wait())

    async def _begin(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            # Away from the terminal's Ctrl-C: we say when processes end.
            start_new_session=True,
        )

    async def _pass_on(self, process: Process) -> None:
        """Hand on what the process prints, line by line, however long its lines are."""
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._said(self.name, line.decode(errors="replace"))
        if rest:
            self._said(self.name, rest.decode(errors="replace"))

    async def _rest(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._stopping.wait()
        except TimeoutError:
            pass


def tied_to_us(command: Sequence[str]) -> list[str]:
    """The command, wrapped so that the kernel sends it SIGTERM when this process is gone, however that happened."""
    tie = (os.getpid(), int(SIGTERM), os.getuid(), os.getgid())
    return [sys.executable, "-I", "-S", str(Path(launch.__file__)), *map(str, tie), *command]


def _described(code: int) -> str:
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
