"""The system of the integration tests, several of each process, each behind ways of its own to both servers."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil

from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.service import Exit
from tests.chaos.ledger import FOLDER
from tests.chaos.proxy import HOST, Cut, Way, Ways
from tests.integration.system import MODULES, System
from tests.support.cluster import redis_servers
from tests.support.processes import free_port
from tests.support.topology import Topology
from tests.support.waiting import eventually_sync

PAIRED: Final = ("coordinator2", "supervisor2", "worker2", "api2")
"""Beside the one of each role that every system has."""


class ChaosSystem(System):
    """A system to be harmed. Redis writes down what it answers: that nothing of it goes is what the checks rest on."""

    modules: ClassVar[Mapping[str, tuple[str, ...]]] = {**MODULES, "worker": ("pointsman.worker", "tests.chaos.worker")}

    def __init__(self, folder: Path, more: Sequence[str] = PAIRED, topology: Topology = "one") -> None:
        super().__init__(folder, topology)
        self.redis = redis_servers(topology, folder / "redis", appendfsync="always")
        self.ledgers = folder / "ledgers"
        self.ledgers.mkdir(parents=True)
        self.processes = (*MODULES, *more)
        self._ports = {name: free_port() for name in more if _is_api(name)}
        self._ways = Ways()
        self._known: dict[tuple[str, str], Way] = {}
        several = len(self.redis.nodes) > 1
        self._addresses = {
            name: f"127.0.0.{2 + number}" if several else HOST for number, name in enumerate(self.processes)
        }
        """Where each process finds the nodes of a cluster."""
        self.wrong: list[str] = []
        """What no process should have done, of the round that is played."""
        self.struck: set[str] = set()
        """Processes that a fault has ended and will start again."""

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._closing.close()
            raise
        return self

    def _begin(self) -> None:
        self._closing.enter_context(self._ways)
        super().__enter__()
        for name in self.processes:
            if not self.is_alive(name):
                self.start(name)
        eventually_sync(lambda: all(self.is_serving(name) for name in self.processes if not _is_api(name)), timeout=60)
        eventually_sync(lambda: not any(httpx.get(f"{url}/readyz").json()["reasons"] for url in self.urls), timeout=60)

    @property
    def servers_of_redis(self) -> dict[str, EmbeddedRedis]:
        """Every server that Redis is made of, by its name."""
        return {f"redis{number or ''}": node for number, node in enumerate(self.redis.nodes)}

    @property
    def all_servers(self) -> tuple[str, ...]:
        """Every server there is, by name."""
        return *self.servers_of_redis, "postgres"

    @property
    def urls(self) -> tuple[str, ...]:
        """Where every API is."""
        return self.url, *(f"http://{HOST}:{port}" for port in self._ports.values())

    def start(self, name: str, **settings: str) -> None:
        """Start a process, both servers behind ways of its own."""
        own = {
            "REDIS_URL": self._url_for(name),
            "DATABASE_URL": self._through(self.postgres.dsn, self._way(name, "postgres")),
            "LOG_LEVEL": "warning",
            FOLDER: str(self.ledgers),
        }
        if name in self._ports:
            own["PORT"] = str(self._ports[name])
        super().start(name, **{**own, **settings})

    def bring_back(self) -> None:
        """Start processes again that ended because a server was not there when they began, as whoever runs them would.

        To end for any other reason is wrong.
        """
        for name in self.processes:
            if name in self.struck or self.is_alive(name):
                continue
            code = self.ended(name)
            if code != Exit.BAD_SERVER:
                self.wrong.append(f"{name} ended by itself, with {code}")
            self.start(name)

    def terminate(self, name: str) -> None:
        """Ask a process to finish what it has begun, and do not wait for it."""
        self.send(name, signal.SIGTERM)

    def cut(self, name: str, server: str, how: Cut) -> None:
        """Cut a process off from a server."""
        self._ways.do(self._way(name, server).cut(how))

    def mend(self, name: str, server: str) -> None:
        """Undo every cut between the two."""
        self._ways.do(self._way(name, server).mend())

    def server(self, name: str) -> EmbeddedRedis | EmbeddedPostgres:
        """One of the servers, by its name."""
        return self.postgres if name == "postgres" else self.servers_of_redis[name]

    def send_to_server(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a server and every process it is made of."""
        main = psutil.Process(self.server(name).pid)
        for process in (main, *main.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, number)

    def _way(self, name: str, server: str) -> Way:
        key = name, server
        if key not in self._known:
            at = HOST if server == "postgres" else self._addresses[name]
            self._known[key] = self._ways.to(self.server(server).port, at)
        return self._known[key]

    def _url_for(self, name: str) -> str:
        """Where Redis is for a process, by its own ways; a cluster sends it on by these alone."""
        ways = [self._way(name, server) for server in self.servers_of_redis]
        account = urlsplit(self.redis.url).netloc.rpartition("@")[0]
        places = ",".join(f"{way.host}:{way.port}" for way in ways)
        return urlunsplit(urlsplit(self.redis.url)._replace(netloc=f"{account}@{places}"))

    @staticmethod
    def _through(url: str, way: Way) -> str:
        parts = urlsplit(url)
        account = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{account}@{HOST}:{way.port}"))


def _is_api(name: str) -> bool:
    return name.startswith("api")
