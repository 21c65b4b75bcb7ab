"""The Redis and the Postgres of `pointsman dev`: embedded in its data directory, but for those that settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from pointsman.base.errors import ServerUnavailable
from pointsman.cli.children import Tell
from pointsman.cli.facts import DevFacts
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.embedded.server import EmbeddedServer
from pointsman.settings import Settings

S = TypeVar("S", bound=EmbeddedServer)

_LOOK_S: Final = 0.25
_PAUSE_S: Final = 2.0


class Servers:
    """Both servers. An embedded one that dies is started again, on its port and with its data."""

    def __init__(self, settings: Settings, data_dir: Path, last: DevFacts | None, tell: Tell) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._last = last
        self._tell = tell
        self._redis: EmbeddedRedis | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def redis_url(self) -> str:
        """Where Redis is, password included."""
        return self._redis.url if self._redis else self._settings.redis_dsn

    @property
    def postgres_dsn(self) -> str:
        """Where Postgres is, password included."""
        return self._postgres.dsn if self._postgres else self._settings.database_dsn

    @property
    def pids(self) -> dict[str, int]:
        """The process ids of those that are embedded and up."""
        return {server.name.lower(): server.pid for server in self._embedded() if server.running}

    async def start(self) -> None:
        """Start what is embedded, on the ports it had last time if they are free.

        Raises:
            ServerUnavailable: As `EmbeddedServer.start`; nothing is left running after `stop`.
        """
        # Shielded: a server that was interrupted half-way up could not be stopped.
        self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        ports = (self._last.redis_port, self._last.postgres_port) if self._last else (0, 0)
        if self._settings.redis_url is None:
            self._redis = await _started(EmbeddedRedis, self._data_dir / "redis", ports[0])
        if self._settings.database_url is None:
            self._postgres = await _started(EmbeddedPostgres, self._data_dir / "postgres", ports[1])

    async def watch(self, revived: Callable[[], None]) -> None:
        """Start again whatever has died, for as long as this is awaited; `revived` is called each time."""
        while True:
            await asyncio.sleep(_LOOK_S)
            for server in self._embedded():
                if not server.running:
                    await self._revive(server)
                    revived()

    async def stop(self) -> None:
        """Shut both down in good order."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        for server in self._embedded():
            await asyncio.to_thread(server.stop)

    def _embedded(self) -> Iterator[EmbeddedServer]:
        return (server for server in (self._redis, self._postgres) if server is not None)

    async def _revive(self, server: EmbeddedServer) -> None:
        self._tell(server.name.lower(), "has ended; it is started again")
        try:
            await asyncio.to_thread(server.start)
        except ServerUnavailable as error:
            self._tell(server.name.lower(), str(error))
            await asyncio.sleep(_PAUSE_S)


async def _started(kind: type[S], directory: Path, port: int) -> S:
    """A server on `port`, or on any other where that is 0 or taken."""
    server = kind(directory, port=port)
    try:
        await asyncio.to_thread(server.start)
    except ServerUnavailable as error:
        if error.code != "SRV021" or not port:
            raise
        return await _started(kind, directory, 0)
    return server
