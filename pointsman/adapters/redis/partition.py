"""One partition as the adapters share it: a connection, the names of its keys, the epoch it is in, its clock."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Self

from pointsman.adapters.redis.address import read_address
from pointsman.adapters.redis.checks import check_server
from pointsman.adapters.redis.clock import RedisClock
from pointsman.adapters.redis.connection import Connection
from pointsman.adapters.redis.faults import closed
from pointsman.adapters.redis.keys import WORKERS, Keyspace
from pointsman.adapters.redis.packing import Argument, Command, pack
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.wire import Answer

SCRIPTS: Final = (
    "close_partition",
    "open_partition",
    "restore_run",
    "drop_run",
    "start_run",
    "load_run",
    "apply_transition",
    "finish_run",
    "put_plan",
    "hold_run",
    "claim_timers",
    "intake",
    "put_signals",
    "reject_signal",
    "postpone_signal",
    "report_lost",
    "missing_tasks",
    "join_members",
    "hold_lease",
    "release_lease",
)


class Partition:
    """Made by `Partitions.open`, or `open` where there is one. The stores and sources of a process share it."""

    def __init__(self, connection: Connection, number: int = 0, of: int = 1) -> None:
        self.connection = connection
        self.number = number
        self.keys = Keyspace(number, of)
        self.clock = RedisClock(connection)
        self.warnings: list[str] = []
        """What is allowed of the server but worth telling its operator, found by `open`."""
        self._known_types: set[str] = set()
        self._epoch = b""
        self._joined = 0

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect to the one partition there is, check that its server is fit, and `join`.

        Raises:
            ServerUnavailable: SRV001 to SRV013, one line that says what to do.
        """
        partition = cls(Connection(read_address(url), [script(name) for name in SCRIPTS]))
        try:
            partition.warnings = await check_server(partition.connection)
            await partition.join()
        except BaseException:
            await partition.aclose()
            raise
        return partition

    async def join(self) -> None:
        """Join the epoch that a supervisor opened it in, if one did, and set the clock. Raises `ServerUnavailable`."""
        await self.rejoin()
        await self.clock.sync()

    @property
    def epoch(self) -> bytes:
        """The epoch this process is in. Empty: Redis lost state, was not opened yet, or is another process than the one
        that was; then every script answers `fenced`."""
        return self._epoch if self._joined == self.connection.incarnation else b""

    async def rejoin(self) -> bool:
        """Read the epoch again, after `fenced`; whether there is one. Whoever caches state must drop it then."""
        asked: list[Command] = [("GET", self.keys.epoch), ("GET", self.keys.server)]
        epoch, opened_on = await self.connection.ask_all(asked)
        is_open = opened_on is not None and opened_on.decode() == self.connection.process
        if not is_open or epoch != self.epoch:
            self._known_types.clear()
        self._epoch = epoch or b"" if is_open else b""
        self._joined = self.connection.incarnation
        return bool(self.epoch)

    async def admit(self, *, anew: bool = False) -> None:
        """Raise `ServerUnavailable` SRV061 while no change passes, as far as this process knows; `anew` asks first.

        A server that was started again since, and has been opened, is met here and not in the middle of a change.
        """
        await self.connection.meet()
        if (anew or not self.epoch) and not await self.rejoin():
            raise closed(self.connection.address)

    def lose(self) -> None:
        """Forget the epoch: nothing that this process sends from now on passes, until it has joined again."""
        self._epoch = b""

    async def run(self, name: str, keys: tuple[Argument, ...], args: tuple[Argument, ...]) -> tuple[str, list[Answer]]:
        """Run a script that is fenced by the epoch: its status and what else it answers."""
        status, *rest = await self.connection.run(script(name), (self.keys.epoch, *keys), (self.epoch, *args))
        if status == b"fenced" and await self.rejoin():
            # It was this process that was in an older epoch; what the script judges, it judges on the spot.
            status, *rest = await self.connection.run(script(name), (self.keys.epoch, *keys), (self.epoch, *args))
        return status.decode(), rest

    async def know_types(self, types: Collection[str]) -> None:
        """See to it that the streams of these task types have their group of workers.

        A group made after the first task was put there sees it all the same. Where it is refused (memory is full)
        the tasks wait: a worker makes the group when it starts, or the next task does.
        """
        for name in [name for name in types if name not in self._known_types]:
            create = ("XGROUP", "CREATE", self.keys.tasks(name), WORKERS, "0", "MKSTREAM")
            made, _ = await self.connection.exchange(pack([create, ("SADD", self.keys.task_types, name)]), 2)
            if made == b"OK" or str(made).startswith("BUSYGROUP"):
                self._known_types.add(name)

    async def aclose(self) -> None:
        """Close the connection."""
        await self.connection.aclose()
