"""What the model drives: the bare fold, and every adapter of `RunStore`, each behind the same few calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from pointsman.base.ids import TokenId, job_id
from pointsman.ports.run_store import Link
from pointsman.ports.signal_source import Delivery, SignalSource
from pointsman.protocol.outcome import Outcome
from pointsman.protocol.signal import (
    Completed,
    Continue,
    Failed,
    Signal,
    TimerFired,
    WireSignal,
    WorkerLost,
    decode_signal,
    encode_wire,
)
from pointsman.protocol.state import Snapshot
from pointsman.protocol.task import decode_task
from pointsman.protocol.transition import Sealed
from pointsman.step import advance, opened_by
from tests.conformance.worlds import MemoryWorld, RedisWorld
from tests.support.definitions import TYPES
from tests.support.driven import RUN, Held, bare

T = TypeVar("T")
Delivered = tuple[str, Signal]


class Store(Protocol):
    """A store with one run in it, and the stream of its signals."""

    def start(self, sealed: Sealed, plan: bytes) -> None:
        """Create the run."""
        ...

    def load(self) -> Snapshot:
        """A snapshot of its own for the caller."""
        ...

    def send(self, signals: Sequence[Signal]) -> None:
        """Put signals on the stream."""
        ...

    def read(self) -> list[Delivered]:
        """What is new on the stream."""
        ...

    def apply(self, links: Sequence[Link]) -> list[Outcome]:
        """Apply a chain."""
        ...

    def reject(self, delivered: Delivered) -> None:
        """Set a signal aside."""
        ...

    def unsettled(self) -> int:
        """How many signals have been read, or not even that, and not acknowledged."""
        ...

    def compare(self, held: Held) -> None:
        """Whether it holds what it should."""
        ...


class FoldStore:
    """No adapter at all: a compare-and-set on the tip around `advance`."""

    def __init__(self) -> None:
        self._run: Snapshot | None = None
        self._new: list[tuple[str, bytes]] = []
        self._unsettled: set[str] = set()
        self._sent = 0

    def start(self, sealed: Sealed, plan: bytes) -> None:
        self._run = opened_by(sealed.transition, sealed.tip)
        self._send_more(sealed)

    def load(self) -> Snapshot:
        assert self._run is not None
        return copied(self._run)

    def send(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            self._sent += 1
            self._new.append((str(self._sent), encode_wire(wire_of(signal))))
            self._unsettled.add(str(self._sent))

    def read(self) -> list[Delivered]:
        new, self._new = self._new, []
        return [(name, decode_signal(body)) for name, body in new]

    def apply(self, links: Sequence[Link]) -> list[Outcome]:
        return [self._apply(link) for link in links]

    def reject(self, delivered: Delivered) -> None:
        self._unsettled.discard(delivered[0])

    def unsettled(self) -> int:
        return len(self._unsettled)

    def compare(self, held: Held) -> None:
        assert self._run is not None
        held.compare(self._run)

    def _apply(self, link: Link) -> Outcome:
        run, sealed = self._run, link.sealed
        assert run is not None
        if run.is_final:
            self._unsettled.discard(link.delivery or "")
            return "closed"
        if run.head.tip != sealed.transition.prev:
            return "stale"
        self._unsettled.discard(link.delivery or "")
        advance(run, sealed.transition, sealed.tip)
        self._send_more(sealed)
        return "applied"

    def _send_more(self, sealed: Sealed) -> None:
        if sealed.transition.more:
            self.send([Continue(sealed.transition.run_id)])


class WorldStore:
    """An adapter, called from code that is not asynchronous."""

    def __init__(self, world: MemoryWorld | RedisWorld, runner: asyncio.Runner) -> None:
        self._world = world
        self._runner = runner
        self._run = RUN
        self._source: SignalSource = world.source("model")

    def start(self, sealed: Sealed, plan: bytes) -> None:
        assert self._wait(self._world.store.start(sealed, plan)) == "started"

    def load(self) -> Snapshot:
        return self._wait(self._world.store.load([self._run]))[self._run]

    def send(self, signals: Sequence[Signal]) -> None:
        self._wait(self._source.send([encode_wire(wire_of(signal)) for signal in signals]))

    def read(self) -> list[Delivered]:
        return [(delivery.id, decode_signal(delivery.body)) for delivery in self._wait(self._read())]

    async def _read(self) -> list[Any]:
        return list(await self._source.read(100, 1)) if await self._world.waiting() else []

    def apply(self, links: Sequence[Link]) -> list[Outcome]:
        return self._wait(self._world.store.apply(links))

    def reject(self, delivered: Delivered) -> None:
        name, signal = delivered
        self._wait(self._source.reject(Delivery(name, encode_wire(wire_of(signal))), "SIG004", "by the model"))

    def unsettled(self) -> int:
        return len(self._wait(self._world.waiting()))

    def compare(self, held: Held) -> None:
        self._wait(self._compare(held))

    async def _compare(self, held: Held) -> None:
        """The counter, the streams and the clock of the server are what the transitions asked for."""
        found = (await self._world.store.load([self._run]))[self._run]
        held.compare(found)
        assert await self._world.counter(self._run) == len(found.tokens)
        bodies = [decode_task(body) for name in TYPES for body in await self._world.tasks(name)]
        assert {made.id: made for made in bodies} == held.streams
        on_clock = {tuple(line.split(" ")[1:3]) for line in await self._world.timers()}
        running = {(name, str(armed.generation)) for name, armed in held.clock.items()}
        assert running <= on_clock
        # The model lets timers come due when it likes, so the server still has those on its clock.
        assert on_clock - running <= {(name, str(generation)) for name, generation in held.fired}

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)


def copied(run: Snapshot) -> Snapshot:
    """A snapshot with dictionaries of its own; what they hold is frozen."""
    joins = {name: dict(edges) for name, edges in run.joins.items()}
    return bare(Snapshot(replace(run.head), dict(run.tokens), dict(run.results), joins, dict(run.frames)))


def wire_of(signal: Signal) -> WireSignal:
    """A signal as it stands on the stream."""
    match signal:
        case Completed():
            output = signal.output
            return WireSignal(
                "completed",
                **_addressed(signal),
                result_data=output.data,
                result_ref=output.ref,
                metadata=signal.metadata,
            )
        case Failed():
            about = {"error_type": signal.error_type, "error_message": signal.message, "retryable": signal.retryable}
            return WireSignal("failed", **_addressed(signal), metadata=about)
        case TimerFired():
            return WireSignal("timer", run_id=signal.run_id, timer=signal.timer, generation=signal.generation)
        case WorkerLost():
            return WireSignal("worker_lost", **_addressed(signal), worker=signal.worker)
        case Continue():
            return WireSignal("continue", run_id=signal.run_id)
        case _:
            raise AssertionError(f"{signal} is a command; it stands on no stream")


def _addressed(signal: Completed | Failed | WorkerLost) -> dict[str, Any]:
    node = getattr(signal, "node", None) or ""
    if signal.token is None:
        return {"run_id": signal.run_id, "node_id": node}
    return {"run_id": signal.run_id, "job_id": job_id(signal.run_id, TokenId(signal.token), signal.attempt)}
