"""What a Redis server must be for runs to be safe on it, checked before a process starts."""

from __future__ import annotations

from typing import Final

from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.faults import unavailable
from pointsman.adapters.redis.info import fields_of

OLDEST: Final = (6, 2)


async def check_server(connection: Connection, partitions: int = 1) -> list[str]:
    """Refuse a server that runs are not safe on; the answer lists what is allowed but worth a warning.

    Raises:
        ServerUnavailable: SRV001 to SRV013, one line that says what to do. Not `retryable` where waiting does not help.
    """
    told = fields_of(await connection.ask("INFO"))
    for problem in (_version(told), _role(told), _cluster(told, partitions), _eviction(told)):
        if problem is not None:
            code, message = problem
            raise unavailable(code, f"Redis at {connection.address} {message}", retryable=False)
    if told.get("aof_enabled") == "1":
        return []
    return [
        f"Redis at {connection.address} keeps no append-only file: what the journal has not passed when it stops is "
        "done again. Set `appendonly yes`."
    ]


async def memory_share(connection: Connection) -> float:
    """The share that a server uses of the memory it may use; 0 where it may use any."""
    told = fields_of(await connection.ask("INFO", "memory"))
    most = int(told.get("maxmemory", "0"))
    return int(told["used_memory"]) / most if most else 0.0


def _version(told: dict[str, str]) -> tuple[str, str] | None:
    version = told.get("redis_version", "0")
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if parts >= OLDEST:
        return None
    return "SRV005", f"is version {version}; Pointsman needs 6.2 or later. Upgrade it, or name another in REDIS_URL."


def _role(told: dict[str, str]) -> tuple[str, str] | None:
    if told.get("role", "master") == "master":
        return None
    return "SRV006", "is a replica, and nothing can be written there. Name the primary in REDIS_URL."


def _cluster(told: dict[str, str], partitions: int) -> tuple[str, str] | None:
    if told.get("cluster_enabled", "0") == "0" or partitions > 1:
        return None
    return (
        "SRV013",
        "is a node of a cluster, and everything is to be in one partition, which one node serves. "
        "Set POINTSMAN_PARTITIONS, to 16 at least, or name a single server in REDIS_URL.",
    )


async def is_cluster(connection: Connection) -> bool:
    """Whether a server is a node of a cluster."""
    return fields_of(await connection.ask("INFO", "cluster")).get("cluster_enabled") == "1"


def _eviction(told: dict[str, str]) -> tuple[str, str] | None:
    policy = told.get("maxmemory_policy", "noeviction")
    if policy == "noeviction" or told.get("maxmemory", "0") == "0":
        return None
    return (
        "SRV007",
        f"has maxmemory-policy {policy}: it would delete parts of running runs when memory is short. "
        "Set `maxmemory-policy noeviction`.",
    )
