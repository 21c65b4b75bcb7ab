"""All of Pointsman on one machine: both servers, the processes and the workers, started, kept up and ended as one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from pointsman.adapters.postgres.migrate import migrate
from pointsman.base.errors import ServerUnavailable
from pointsman.cli.children import Child, Program, Tell
from pointsman.cli.facts import FILE, DevFacts, read_facts, write_facts
from pointsman.cli.servers import Servers
from pointsman.settings import Settings, child_environment

_READY_S: Final = 60.0
_ASK_S: Final = 0.05
_BEYOND_GRACE_S: Final = 2.0

PROCESSES: Final = (
    # -P: a file of the same name where the command is typed must not get in the way.
    Program("coordinator", ("-P", "-m", "coordinator")),
    Program("supervisor", ("-P", "-m", "supervisor")),
    Program("api", ("-P", "-m", "orchestrator_api")),
    Program("worker", ("-P", "-m", "pointsman.worker", "pointsman.worker.builtin")),
)


class Stack:
    """Everything `pointsman dev` starts. `workers` are modules or files for `pointsman worker`, beside the built-in."""

    def __init__(
        self, settings: Settings, data_dir: Path, port: int, workers: Sequence[str], said: Tell, tell: Tell
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir.absolute()
        self._port = port
        self._said, self._tell = said, tell
        self._programs = (*PROCESSES, *(Program(name, ("-m", "pointsman.worker", name)) for name in workers))
        self._servers = Servers(settings, self._data_dir, read_facts(self._data_dir), tell)
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def facts(self) -> DevFacts:
        """Where everything can be reached by now."""
        pids = {"dev": os.getpid()} | self._servers.pids
        pids |= {child.name: child.pid for child in self._children if child.pid is not None}
        redis, postgres = self._servers.redis_url, self._servers.postgres_dsn
        return DevFacts(self._api_url, redis, postgres, pids, self._settings.partitions)

    async def start(self) -> None:
        """Start everything, and return when the API is ready.

        Raises:
            ServerUnavailable: One of them cannot run here. `stop` ends what was started.
        """
        await self._servers.start()
        self._port = _free(self._settings.api.host, self._port)
        for name in await migrate(self._servers.postgres_dsn):
            self._tell("postgres", f"applied migration {name}")
        self._tasks.append(asyncio.create_task(self._servers.watch(self._write_facts)))
        environment = self._environment()
        self._children = [Child(program, environment, self._said, self._tell) for program in self._programs]
        self._tasks += [asyncio.create_task(child.keep(self._write_facts)) for child in self._children]
        await self._ready()

    async def stop(self) -> None:
        """Let every process finish its work, then stop the servers."""
        grace_s = self._settings.grace_period_ms / 1_000 + _BEYOND_GRACE_S
        await asyncio.gather(*(child.stop(grace_s) for child in self._children))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._servers.stop()

    def kill(self) -> None:
        """End every process at once; a `stop` under way then has nothing left to wait for."""
        for child in self._children:
            child.kill()

    @property
    def _api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _environment(self) -> dict[str, str]:
        changes = {
            "REDIS_URL": self._servers.redis_url,
            # In the URL by now; named twice they would have to agree.
            "REDIS_HOST": "",
            "REDIS_PORT": "",
            "REDIS_PASSWORD": "",
            "DATABASE_URL": self._servers.postgres_dsn,
            "PORT": str(self._port),
            "POINTSMAN_DATA_DIR": str(self._data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        if "log_format" not in self._settings.model_fields_set:
            changes["POINTSMAN_LOG_FORMAT"] = "console"
        return child_environment(changes)

    def _write_facts(self) -> None:
        try:
            write_facts(self._data_dir, self.facts)
        except OSError as error:
            # What is written there helps others to connect; what runs does not need it.
            self._tell("dev", f"cannot write {self._data_dir / FILE} ({error.strerror})")

    async def _ready(self) -> None:
        """Wait for the API; a process that ends before that is what is wrong."""
        asking = asyncio.create_task(self._api_is_ready())
        ends = [asyncio.create_task(child.ended.wait(), name=child.name) for child in self._children]
        try:
            done, _ = await asyncio.wait([asking, *ends], timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (asking, *ends):
                task.cancel()
        if asking not in done:
            raise _not_ready([task.get_name() for task in done])

    async def _api_is_ready(self) -> None:
        async with httpx.AsyncClient(base_url=self._api_url, trust_env=False) as client:
            while True:
                try:
                    # Not before every partition is open: a run may live in any of them.
                    if not (await client.get("/readyz")).json()["reasons"]:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(_ASK_S)


def _free(host: str, port: int) -> int:
    """The port, or any free one for 0, once it is known that nobody listens there."""
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ServerUnavailable(
            "SRV021",
            f"the API cannot listen on port {port} of {host} ({os.strerror(error.errno or 0)}). Nothing was left "
            "running. Stop the process that does, or choose another port with --port.",
        ) from error


def _not_ready(ended: list[str]) -> ServerUnavailable:
    what = f"{', '.join(ended)} ended while starting" if ended else f"the API was not ready within {_READY_S:.0f} s"
    return ServerUnavailable(
        "SRV070",
        f"{what}. Everything was stopped; the data is unharmed. What the processes said is above this line.",
    )
