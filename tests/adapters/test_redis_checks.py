"""Start-up checks: a server that runs are not safe on is refused with one line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.checks import check_server, memory_share
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.partition import Partition
from pointsman.base.errors import ServerUnavailable
from pointsman.embedded.redis import EmbeddedRedis
from tests.adapters.impostors import serving
from tests.support.waiting import eventually_sync


@contextmanager
def configured(server: EmbeddedRedis, **settings: str) -> Iterator[None]:
    """The server with some settings changed for a while."""
    with Redis.from_url(server.url, decode_responses=True) as client:
        names = {name.replace("_", "-"): value for name, value in settings.items()}
        before = {name: client.config_get(name)[name] for name in names}
        for name, value in names.items():
            client.config_set(name, value)
        yield
        for name, value in before.items():
            client.config_set(name, value)
        # A server that writes its append-only file for the first time refuses to be stopped.
        eventually_sync(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)


async def test_a_fit_server_is_opened_without_a_word(server: EmbeddedRedis) -> None:
    # Given the embedded server, as it comes
    connection = Connection(read_address(server.url))
    # When it is checked
    warnings = await check_server(connection)
    # Then there is nothing to say
    assert warnings == []
    await connection.aclose()


async def test_a_server_that_evicts_is_refused(server: EmbeddedRedis) -> None:
    # Given a server that deletes keys when memory is short
    with (
        configured(server, maxmemory="100mb", maxmemory_policy="allkeys-lru"),
        pytest.raises(ServerUnavailable) as caught,
    ):
        # When a process starts on it
        await Partition.open(server.url)
    # Then it does not
    assert (caught.value.code, caught.value.retryable) == ("SRV007", False)
    assert "Set `maxmemory-policy noeviction`" in str(caught.value)


async def test_a_policy_without_a_limit_is_of_no_interest(server: EmbeddedRedis) -> None:
    # Given such a policy where memory has no limit
    with configured(server, maxmemory="0", maxmemory_policy="allkeys-lru"):
        connection = Connection(read_address(server.url))
        # When it is checked
        # Then it passes
        assert await check_server(connection) == []
        await connection.aclose()


async def test_an_opened_partition_hands_its_warnings_on(server: EmbeddedRedis) -> None:
    # Given a server that is worth a warning
    with configured(server, appendonly="no"):
        # When it is opened
        partition = await Partition.open(server.url)
        await partition.aclose()
    # Then the process that opened it can log that
    assert len(partition.warnings) == 1


async def test_a_server_without_an_append_only_file_is_warned_of(server: EmbeddedRedis) -> None:
    # Given a server that keeps nothing over a restart
    with configured(server, appendonly="no"):
        connection = Connection(read_address(server.url))
        # When it is checked
        (warning,) = await check_server(connection)
        await connection.aclose()
    # Then that is said, and it may be used
    assert "keeps no append-only file" in warning


async def test_a_replica_is_refused_at_start_and_at_writes(server: EmbeddedRedis) -> None:
    # Given a server that follows another
    connection = Connection(read_address(server.url))
    await connection.ask("REPLICAOF", "127.0.0.1", "1")
    # When it is checked, and when something is written there
    with pytest.raises(ServerUnavailable) as checked:
        await check_server(connection)
    with pytest.raises(ServerUnavailable) as written:
        await connection.ask("SET", "x", "1")
    await connection.ask("REPLICAOF", "NO", "ONE")
    # Then both say so
    assert [error.value.code for error in (checked, written)] == ["SRV006", "SRV006"]
    await connection.aclose()


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("redis_version:6.0.16\r\nrole:master\r\n", "SRV005"),
        ("redis_version:7.2.0\r\nrole:master\r\ncluster_enabled:1\r\n", "SRV013"),
    ],
)
async def test_servers_that_cannot_be_used_are_told_by_what_they_say(told: str, code: str) -> None:
    # Given a server that says so of itself
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = f"run_id:1\r\n{told}".encode()
        while request := await reader.read(65_536):
            writer.write(b"+OK\r\n" * request.count(b"SETNAME"))
            writer.write(b":7\r\n" * request.count(b"\r\nID\r\n"))
            writer.write(b"$%d\r\n%b\r\n" % (len(info), info) * request.count(b"INFO"))

    async with serving(answer) as port:
        connection = Connection(read_address(f"redis://127.0.0.1:{port}"))
        # When it is checked
        with pytest.raises(ServerUnavailable) as caught:
            await check_server(connection)
        await connection.aclose()
    # Then it is refused
    assert caught.value.code == code


async def test_the_share_of_memory_in_use_is_of_what_may_be_used(server: EmbeddedRedis) -> None:
    # Given a server with and without a limit
    connection = Connection(read_address(server.url))
    shares = []
    for limit in ("0", "1gb", "1kb"):
        with configured(server, maxmemory=limit):
            # When it is asked how much of it is in use
            shares.append(await memory_share(connection))
    # Then none of what is not limited, little of much, and more than there is of almost none
    assert shares[0] == 0
    assert 0 < shares[1] < 0.5
    assert shares[2] > 1
    await connection.aclose()
