"""A Redis Cluster of three masters, each a real server of its own: they hold a third of the slots each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode as Place
from redis.asyncio.cluster import RedisCluster as Client
from redis.crc import key_slot

from pointsman.adapters.redis.address import read_addresses
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.embedded.server import HOST
from tests.support.processes import free_port
from tests.support.topology import Fsync, OneRedis, RedisServers, Topology, talking_to
from tests.support.waiting import eventually_sync

SLOTS: Final = 16_384
NODES: Final = 3
PARTITIONS: Final = 16
"""Of a system on it: more than nodes, and few enough that each sees work in a short test."""

_TIMEOUT_MS: Final = 1_000
"""After which a server that says nothing is given up by the others."""
_SETTLED_S: Final = 30.0


class Node(EmbeddedRedis):
    """One server of the cluster."""

    def __init__(self, folder: Path, port: int, password: str, appendfsync: Fsync) -> None:
        super().__init__(folder, port=port, appendfsync=appendfsync)
        folder.mkdir(parents=True)
        self.directory.write_private(folder / "password", password)

    def _settings(self, port: int) -> Iterator[tuple[str, str]]:
        yield from super()._settings(port)
        yield "cluster-enabled", "yes"
        yield "cluster-node-timeout", str(_TIMEOUT_MS)
        # A node that is down costs the partitions it holds, and no others: they need nothing of each other.
        yield "cluster-require-full-coverage", "no"


class RedisCluster(RedisServers):
    """Three servers that know each other. What is lost with one is lost: there are no replicas.

    They talk to each other on ports 10,000 above their own; 6.2 has no setting for that.
    """

    partitions = PARTITIONS

    def __init__(self, folder: Path, *, appendfsync: Fsync = "everysec") -> None:
        self._password = "of-all-three"
        ports = [free_port() for _ in range(NODES)]
        super().__init__(tuple(Node(folder / str(port), port, self._password, appendfsync) for port in ports))
        self._is_made = False

    @property
    def url(self) -> str:
        places = ",".join(f"{HOST}:{node.port}" for node in self.nodes)
        return f"redis://:{self._password}@{places}/0"

    def _settle(self) -> None:
        if not self._is_made:
            self._make()
            self._is_made = True
        # At least two seconds: so long a server that has just started refuses writes, whatever the others say of it.
        eventually_sync(lambda: all(_is_whole(_told(node)) for node in self.nodes), timeout=_SETTLED_S)

    def client(self) -> Any:
        return client_of(self.url)

    def node_of(self, key: str) -> EmbeddedRedis:
        """The server that holds a key, as the first one that runs sees it."""
        ports = {port for first, last, port in self._slots() if first <= key_slot(key.encode()) <= last}
        return next(node for node in self.nodes if node.port in ports)

    def move(self, key: str, to: EmbeddedRedis) -> None:
        """Move the slot of a key to another server with all it holds, as `redis-cli --cluster reshard` does."""
        slot, source = key_slot(key.encode()), self.node_of(key)
        with talking_to(source) as giving, talking_to(to) as taking:
            ids = [client.execute_command("CLUSTER MYID").decode() for client in (giving, taking)]
            taking.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
            giving.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
            while keys := giving.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                giving.migrate(HOST, to.port, keys, 0, 5_000, auth=self._password)
            for client in (taking, giving):
                client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])

    def _make(self) -> None:
        """Give each its slots, and make them known to each other."""
        for number, node in enumerate(self.nodes):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES
            with talking_to(node) as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(first, last))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER MEET", HOST, self.nodes[0].port)

    def _slots(self) -> list[tuple[int, int, int]]:
        running = next(node for node in self.nodes if node.running)
        with talking_to(running) as client:
            told = client.execute_command("CLUSTER SLOTS")
        return [(first, last, int(place[1])) for first, last, place in told]


def redis_servers(topology: Topology, folder: Path, *, appendfsync: Fsync = "everysec") -> RedisServers:
    """Redis of this kind, not started yet."""
    kind = RedisCluster if topology == "cluster" else OneRedis
    return kind(folder, appendfsync=appendfsync)


def client_of(url: str) -> Any:
    """An asynchronous client of redis-py, for one server or for a cluster by whichever of its nodes the URL names."""
    addresses = read_addresses(url)
    if len(addresses) == 1:
        return Redis.from_url(url, protocol=2)
    places = [Place(address.host, address.port) for address in addresses]
    return Client(startup_nodes=places, password=urlsplit(url).password, require_full_coverage=False, protocol=2)


def _is_whole(told: dict[str, str]) -> bool:
    """Whether a server knows all of the others, and each of them serves its slots."""
    seen = told["cluster_state"], told["cluster_known_nodes"], told["cluster_slots_ok"]
    return seen == ("ok", str(NODES), str(SLOTS))


def _told(node: EmbeddedRedis) -> dict[str, str]:
    """What a server says of the cluster."""
    with talking_to(node) as client:
        return dict(client.execute_command("CLUSTER INFO"))
