"""The Redis and the Postgres that tests run against, started once a session.

A server named in the environment comes first (`POINTSMAN_TEST_REDIS_URL`, `POINTSMAN_TEST_POSTGRES_DSN`: the Redis
database in the URL is flushed for every test, and the server's settings are changed!), then containers where
`POINTSMAN_TEST_CONTAINERS=1` and Docker runs, else the embedded ones.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
import redis

from pointsman.adapters.redis.keys import Keyspace
from pointsman.embedded.databases import create_database, drop_database
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from tests.support.cluster import RedisCluster
from tests.support.topology import talking_to


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of the session's Redis. What is in it is whatever the last test left."""
    if url := os.environ.get("POINTSMAN_TEST_REDIS_URL"):
        yield url
    elif _containers_wanted():
        yield from _redis_container()
    else:
        with _scratch() as directory, EmbeddedRedis(Path(directory)) as server:
            yield server.url


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """The session's Redis Cluster, always an embedded one. What is in it is whatever the last test left."""
    with _scratch() as directory, RedisCluster(Path(directory)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The DSN of the session's Postgres, of an account that may create databases."""
    if dsn := os.environ.get("POINTSMAN_TEST_POSTGRES_DSN"):
        yield dsn
    elif _containers_wanted():
        yield from _postgres_container()
    else:
        with _scratch() as directory, EmbeddedPostgres(Path(directory), fsync=False) as server:
            yield server.dsn


@pytest.fixture
def redis_db(redis_url: str) -> str:
    """The URL of a Redis database that holds nothing but what a supervisor makes of an empty one."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    open_fence(redis_url)
    return redis_url


def refuse_to_share(config: pytest.Config) -> None:
    """Keep several processes of tests off one Redis: each would flush what the others are testing with."""
    if os.environ.get("POINTSMAN_TEST_REDIS_URL") and config.getoption("numprocesses", None):
        told = "POINTSMAN_TEST_REDIS_URL names one Redis, and that is for one process of tests"
        raise pytest.UsageError(f"{told}; nothing was run. Run `pytest` without `-n`, or unset it.")


def open_fence(url: str) -> None:
    """Open the one partition of a Redis database, as a supervisor does where nothing was lost."""
    open_fences(url, 1)


def open_fences(url: str, count: int) -> None:
    """Open every one of so many partitions of a Redis database."""
    with redis.Redis.from_url(url) as client:
        _open(client, [Keyspace(number, count) for number in range(count)])


def open_all_fences(cluster: RedisCluster) -> None:
    """Open every partition of a cluster."""
    spaces = [Keyspace(number, cluster.partitions) for number in range(cluster.partitions)]
    places = [cluster.node_of(keys.epoch) for keys in spaces]
    for node in cluster.nodes:
        with talking_to(node) as client:
            _open(client, [keys for keys, place in zip(spaces, places, strict=True) if place is node])


def _open(client: Any, spaces: Sequence[Keyspace]) -> None:
    process = client.info("server")["run_id"]
    for keys in spaces:
        with suppress(redis.ResponseError):
            client.xgroup_create(keys.signals, "coordinators", "0", mkstream=True)
        client.set(keys.epoch, str(client.time()[0]))
        client.set(keys.server, process)


@pytest.fixture
async def postgres_db(postgres_dsn: str) -> AsyncIterator[str]:
    """The DSN of an empty Postgres database of this test's own."""
    name = f"test_{uuid4().hex}"
    yield await create_database(postgres_dsn, name)
    await drop_database(postgres_dsn, name)


def _scratch() -> TemporaryDirectory[str]:
    """Not below pytest's own temporary directories, which it keeps for three sessions: a cluster takes 40 MB."""
    return TemporaryDirectory(prefix="pointsman-test-")


def _containers_wanted() -> bool:
    return os.environ.get("POINTSMAN_TEST_CONTAINERS") == "1" and _docker_runs()


def _docker_runs() -> bool:
    import docker  # type: ignore[import-untyped]

    try:
        client = docker.from_env()
    except docker.errors.DockerException:
        return False
    client.close()
    return True


def _redis_container() -> Iterator[str]:
    from testcontainers.community.redis import RedisContainer

    with RedisContainer("redis:7").with_command("redis-server --appendonly yes") as server:
        yield f"redis://{server.get_container_host_ip()}:{server.get_exposed_port(6379)}/0"


def _postgres_container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:16", driver=None).with_command("-c fsync=off") as server:
        yield server.get_connection_url()
