"""What the Redis server is to the Redis adapter: the state that the stores and sources of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.adapters.memory.stream import Stream
from pointsman.base.clock import Clock
from pointsman.base.ids import Digest, Millis, RunId, TimerId, TokenId
from pointsman.ports.journal import JournalEvent
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Message


class Armed(NamedTuple):
    """A timer on the clock."""

    run_id: RunId
    timer: TimerId
    generation: int


class Posted(NamedTuple):
    """A task on the stream of its type: the fields of its entry."""

    token: bytes
    run_id: RunId
    node_id: str
    job_id: str


class Hold(NamedTuple):
    """Until when a run takes the transitions of one owner only."""

    until: Millis
    owner: str


class Rejected(NamedTuple):
    """A signal that was set aside."""

    signal: bytes
    code: str
    reason: str


@dataclass
class OpenRun:
    """A run: its snapshot, where its tasks stand on their streams, its history."""

    snapshot: Snapshot
    posted: dict[TokenId, str] = field(default_factory=dict)
    history: dict[str, bytes] = field(default_factory=dict)
    hold: Hold | None = None

    def is_held(self, owner: str, now: Millis) -> bool:
        """Whether it is held at this moment, and by another."""
        return self.hold is not None and self.hold.owner != owner and now < self.hold.until


class MemoryServer:
    """Holds everything in this process, and nothing beyond its end."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.epoch = 1
        """0: state was lost, and everything answers `fenced`."""
        self.prepared = 0
        """The epoch that is being prepared behind the fence."""
        self.runs: dict[RunId, OpenRun] = {}
        self.removed: dict[RunId, Millis] = {}
        """Runs that ended and were removed, each until when that is known."""
        self.plans: dict[Digest, bytes] = {}
        self.signals: Stream[bytes] = Stream()
        self.tasks: dict[str, Stream[Posted]] = {}
        self.events: list[JournalEvent] = []
        self.outbox: list[tuple[RunId, Message]] = []
        self.timers: dict[Armed, Millis] = {}
        self.rejected: list[Rejected] = []
        self.memory = 0.0
        """The share of its memory that it would say it uses."""
        self.ended: list[RunId] = []
        """What was announced on the channel."""
        self._pushed: list[bytes] = []
        self._arrived = asyncio.Event()

    def push(self, signals: Iterable[bytes]) -> None:
        """What a worker does with RPUSH on the public list."""
        self._pushed += signals
        self.wake()

    def take_pushed(self) -> list[bytes]:
        """Empty the public list."""
        taken, self._pushed = self._pushed, []
        return taken

    def send(self, signals: Iterable[bytes]) -> None:
        """Put signals on the stream."""
        for signal in signals:
            self.signals.add(signal)
        self.wake()

    def wake(self) -> None:
        """Let those that wait look again."""
        self._arrived.set()
        self._arrived = asyncio.Event()

    async def arrival(self, timeout_ms: int) -> bool:
        """Wait until something was pushed or sent; False when nothing was in time."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True
