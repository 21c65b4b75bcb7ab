"""Processes of Pointsman, as a user starts them."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Final

from pointsman.settings import child_environment

_EACH: Final = 1_000
_FIRST: Final = 20_000 + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS: Final = cycle(random.sample(range(_FIRST, _FIRST + _EACH), _EACH))
"""Below those that the system gives out by itself, and no two processes of one test run have any in common: a port
stays free until whoever is to listen on it has come up. So do those 10,000 above, for the nodes of a cluster."""


def free_port() -> int:
    """A port that nobody listens on now, nor will until its turn comes again."""
    return next(port for port in _PORTS if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@asynccontextmanager
async def started(module: str, *arguments: str, **settings: str) -> AsyncIterator[Process]:
    """`python -m MODULE ARGUMENTS…` with these settings; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=child_environment(settings), stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(module: str, **settings: str) -> tuple[int | None, str]:
    """How a process ended by itself, and what it wrote on standard error."""
    async with started(module, **settings) as process:
        _, told = await process.communicate()
        return process.returncode, told.decode()
