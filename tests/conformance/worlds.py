"""A world: a store with its signals, and the view of it that workers, the journal and operators have."""

from __future__ import annotations

from typing import Protocol

from pointsman.adapters.memory.congestion import MemoryCongestion
from pointsman.adapters.memory.recovery import MemoryRecovery
from pointsman.adapters.memory.run_store import MemoryRunStore
from pointsman.adapters.memory.server import MemoryServer
from pointsman.adapters.memory.signal_source import MemorySignalSource
from pointsman.adapters.redis.congestion import RedisCongestion
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.routed import RoutedRunStore
from pointsman.adapters.redis.run_store import RedisRunStore
from pointsman.adapters.redis.signal_source import RedisSignalSource
from pointsman.base.clock import SystemClock
from pointsman.base.ids import RunId, Tip
from pointsman.ports.congestion import Congestion
from pointsman.ports.journal import JournalEvent
from pointsman.ports.recovery import RecoveryStore
from pointsman.ports.run_store import RunStore
from pointsman.ports.signal_source import SignalSource


class World(Protocol):
    """What a test of a port sees of one adapter."""

    store: RunStore
    recovery: RecoveryStore
    congestion: Congestion

    def source(self, consumer: str) -> SignalSource:
        """The signals as one consumer sees them."""
        ...

    async def tasks(self, task_type: str) -> list[bytes]:
        """What stands on a task stream, as a worker reads it."""
        ...

    async def events(self) -> list[JournalEvent]:
        """What stands on the events stream."""
        ...

    async def waiting(self) -> list[bytes]:
        """What stands on the signals stream."""
        ...

    async def rejected(self) -> list[tuple[bytes, str, str]]:
        """Signals that were set aside, each with code and reason."""
        ...

    async def timers(self) -> list[str]:
        """Timers on the clock, `<run> <timer> <generation> <due>`, sorted."""
        ...

    async def counter(self, run: RunId) -> int | None:
        """How many tokens of a run are open, as an operator sees it."""
        ...

    async def push(self, *signals: bytes) -> None:
        """RPUSH on the public list, as any worker does."""
        ...

    async def give_out(self, task_type: str, count: int) -> None:
        """Have a worker take tasks, and not report on them."""
        ...

    async def lose_state(self) -> None:
        """Forget the epoch, as FLUSHALL does."""
        ...

    async def lose_everything(self) -> None:
        """Forget all there is, as FLUSHALL does."""
        ...

    def another_store(self) -> RunStore:
        """The store as another process sees it."""
        ...

    def another_recovery(self) -> RecoveryStore:
        """The same of a supervisor."""
        ...


class MemoryWorld:
    """The memory adapter."""

    def __init__(self) -> None:
        self.server = MemoryServer(SystemClock())
        self.store = MemoryRunStore(self.server)
        self.recovery = MemoryRecovery(self.server)
        self.congestion = MemoryCongestion(self.server)

    def source(self, consumer: str) -> SignalSource:
        return MemorySignalSource(self.server, consumer)

    async def tasks(self, task_type: str) -> list[bytes]:
        stream = self.server.tasks.get(task_type)
        return [posted.token for posted in stream.entries.values()] if stream else []

    async def events(self) -> list[JournalEvent]:
        return list(self.server.events)

    async def waiting(self) -> list[bytes]:
        return list(self.server.signals.entries.values())

    async def rejected(self) -> list[tuple[bytes, str, str]]:
        return [tuple(entry) for entry in self.server.rejected]

    async def timers(self) -> list[str]:
        return sorted(f"{run} {timer} {count} {due}" for (run, timer, count), due in self.server.timers.items())

    async def counter(self, run: RunId) -> int | None:
        found = self.server.runs.get(run)
        return len(found.snapshot.tokens) if found else None

    async def push(self, *signals: bytes) -> None:
        self.server.push(signals)

    async def give_out(self, task_type: str, count: int) -> None:
        self.server.tasks[task_type].read("worker", count, self.server.clock.now())

    async def lose_state(self) -> None:
        self.server.epoch = 0

    async def lose_everything(self) -> None:
        vars(self.server).update(vars(MemoryServer(self.server.clock)), epoch=0)

    def another_store(self) -> RunStore:
        return MemoryRunStore(self.server)

    def another_recovery(self) -> RecoveryStore:
        return MemoryRecovery(self.server)


class RedisWorld:
    """The Redis adapter, on a real server."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.store = RedisRunStore(partition)
        self.recovery = RedisRecovery(partition)
        self.congestion = RedisCongestion(partition)
        self.sources: list[RedisSignalSource] = []
        self._ask = partition.connection.ask
        self._keys = partition.keys

    def source(self, consumer: str) -> SignalSource:
        self.sources.append(RedisSignalSource(self.partition, consumer))
        return self.sources[-1]

    async def tasks(self, task_type: str) -> list[bytes]:
        return [fields[1] for _, fields in await self._ask("XRANGE", self._keys.tasks(task_type), "-", "+")]

    async def events(self) -> list[JournalEvent]:
        entries = [fields[1::2] for _, fields in await self._ask("XRANGE", self._keys.events, "-", "+")]
        return [
            JournalEvent(RunId(run.decode()), int(epoch), int(seq), Tip(tip.decode()), body)
            for run, epoch, seq, tip, body in entries
        ]

    async def waiting(self) -> list[bytes]:
        return [fields[1] for _, fields in await self._ask("XRANGE", self._keys.signals, "-", "+")]

    async def rejected(self) -> list[tuple[bytes, str, str]]:
        entries = [fields[1::2] for _, fields in await self._ask("XRANGE", self._keys.rejected, "-", "+")]
        return [(signal, code.decode(), reason.decode()) for signal, code, reason, _ in entries]

    async def timers(self) -> list[str]:
        flat = await self._ask("ZRANGE", self._keys.timers, 0, -1, "WITHSCORES")
        return sorted(f"{name.decode()} {int(due)}" for name, due in zip(flat[::2], flat[1::2], strict=True))

    async def counter(self, run: RunId) -> int | None:
        counted = await self._ask("GET", self._keys.state(run)[1])
        return None if counted is None else int(counted)

    async def push(self, *signals: bytes) -> None:
        await self._ask("RPUSH", self._keys.pushed, *signals)

    async def give_out(self, task_type: str, count: int) -> None:
        stream = self._keys.tasks(task_type)
        await self._ask("XREADGROUP", "GROUP", "workers", "worker", "COUNT", count, "STREAMS", stream, ">")

    async def lose_state(self) -> None:
        await self._ask("DEL", self._keys.epoch)

    async def lose_everything(self) -> None:
        await self._ask("FLUSHDB")

    def another_store(self) -> RunStore:
        return RedisRunStore(self.partition)

    def another_recovery(self) -> RecoveryStore:
        return RedisRecovery(self.partition)

    async def aclose(self) -> None:
        for source in self.sources:
            await source.aclose()
        await self.partition.aclose()


class RoutedWorld(RedisWorld):
    """Several partitions behind one store, seen from the one that a run lives in."""

    def __init__(self, partitions: Partitions, run: RunId) -> None:
        super().__init__(partitions.of(run))
        self.store = RoutedRunStore(partitions)

    async def aclose(self) -> None:
        """The partitions stay open, for the next one."""
        for source in self.sources:
            await source.aclose()
