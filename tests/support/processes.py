"""Processes of Pointsman, as a user starts them."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pointsman.settings import child_environment


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def started(module: str, **settings: str) -> AsyncIterator[Process]:
    """`python -m MODULE` with these settings; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, env=child_environment(settings), stdout=PIPE, stderr=PIPE
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
