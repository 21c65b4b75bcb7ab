"""RedisRecovery: a partition behind its closed fence, as whoever rebuilds it writes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from pointsman.adapters.redis.codec import lay_out_whole, timer_member
from pointsman.adapters.redis.packing import Argument, Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.records import pairs, read_snapshot
from pointsman.adapters.redis.run_store import UNUSED_PLAN_S
from pointsman.adapters.redis.scripts import script
from pointsman.adapters.redis.wire import Answer
from pointsman.base.ids import Digest, Millis, RunId, Tip
from pointsman.ports.recovery import Fence, Place, Rebuilt, overtaken
from pointsman.protocol.state import FINAL, Snapshot
from pointsman.step.past import clock_of

_SCANNED: Final = 1_000
_AT_ONCE: Final = 100
"""Runs written in one round trip."""


class RedisRecovery:
    """The adapter of `pointsman.ports.recovery.RecoveryStore`; the docstrings there hold here.

    Every method raises `ServerUnavailable` where Redis cannot be used.
    """

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._connection = partition.connection
        self._keys = partition.keys
        self._epoch = 0
        self._guard = partition.keys.recovery
        """The key that must hold the epoch for anything to be written."""

    async def look(self) -> Fence:
        """Read the epochs in one round trip."""
        keys = self._keys
        asked: list[Command] = [("GET", keys.epoch), ("GET", keys.recovery), ("GET", keys.server)]
        epoch, prepared, opened_on = await self._connection.ask_all(asked)
        server = self._connection.process
        is_open = epoch is not None and opened_on is not None and opened_on.decode() == server
        return Fence(is_open, int(epoch or 0), int(prepared or 0), server)

    async def close(self, epoch: int) -> None:
        """Close the fence."""
        await self._connection.load_scripts()
        keys = (self._keys.epoch, self._keys.server, self._keys.recovery)
        self._checked(await self._connection.run(script("close_partition"), keys, (epoch,)), "closed")
        self._epoch = epoch
        self._partition.lose()

    async def places(self, runs: Sequence[RunId]) -> dict[RunId, Place]:
        """Read seq and tip of many runs in one round trip."""
        asked: list[Command] = [("HMGET", self._keys.state(run)[0], "seq", "tip") for run in runs]
        told = zip(runs, await self._connection.ask_all(asked), strict=True)
        return {run: Place(int(seq), Tip(tip.decode())) for run, (seq, tip) in told if tip is not None}

    async def held(self) -> AsyncIterator[list[RunId]]:
        """Look through all keys."""
        cursor: Argument = 0
        while True:
            cursor, names = await self._connection.ask("SCAN", cursor, "MATCH", self._keys.run_heads, "COUNT", _SCANNED)
            if names:
                yield [self._keys.run_of(name.decode()) for name in names]
            if cursor == b"0":
                return

    async def put_plan(self, digest: Digest, plan: bytes) -> None:
        """Store a plan."""
        keys = (self._guard, self._keys.plans, self._keys.plan(digest))
        answer = await self._connection.run(script("put_plan"), keys, (self._epoch, digest, plan, UNUSED_PLAN_S))
        self._checked(answer, "stored", "used")

    async def drop(self, runs: Sequence[RunId]) -> None:
        """Remove runs, one script each: they are few but where an older state came back."""
        for run in runs:
            head, _, *parts = self._keys.state(run)
            status, *hashes = await self._connection.run(script("load_run"), (head, *parts[:-1]), ())
            if status == b"found":
                await self._drop(run, hashes[0], read_snapshot(run, *hashes[:5]))

    async def restore(self, runs: Sequence[Rebuilt]) -> None:
        """Write runs back, many in one round trip."""
        types: set[str] = set()
        for begin in range(0, len(runs), _AT_ONCE):
            commands = [self._restoring(rebuilt, types) for rebuilt in runs[begin : begin + _AT_ONCE]]
            for answer in await self._connection.ask_all(commands):
                self._checked(answer, "restored", "exists")
        await self._partition.know_types(types)

    async def open(self, epoch: int) -> None:
        """Open the fence, on the server process that is connected to."""
        keys = (self._keys.recovery, self._keys.epoch, self._keys.server, self._keys.signals)
        answer = await self._connection.run(script("open_partition"), keys, (epoch, self._connection.process))
        self._checked(answer, "open")
        await self._partition.rejoin()

    async def now(self) -> Millis:
        """Redis' clock."""
        return await self._partition.clock.synced()

    async def _drop(self, run: RunId, flat: list[bytes], snapshot: Snapshot) -> None:
        keys = self._keys
        earlier = dict(pairs(flat)).get(b"plans", b"").decode().split()
        digests, out = [*earlier, snapshot.head.plan], _types_out(snapshot)
        types = {name: number for number, name in enumerate(sorted(set(out.values())), 1)}
        args: list[Argument] = [*digests]
        for token, task_type in out.items():
            args += (token, types[task_type])
        args += (timer_member(run, name, timer.generation) for name, timer in clock_of(snapshot).items())
        names = (
            *(self._guard, *keys.state(run), keys.timers, keys.ir(run), keys.plans),
            *(keys.plan(digest) for digest in digests),
            *(keys.tasks(name) for name in types),
        )
        counted = (self._epoch, UNUSED_PLAN_S, len(digests), len(out))
        self._checked(await self._connection.run(script("drop_run"), names, (*counted, *args)), "dropped")

    def _restoring(self, rebuilt: Rebuilt, types: set[str]) -> Command:
        run, change, keys = rebuilt.run.head, rebuilt.sealed.transition, self._keys
        layout = lay_out_whole(rebuilt.run, rebuilt.history, change)
        types.update(layout.types)
        digests = (*rebuilt.plans, run.plan)
        names = (
            *(self._guard, *keys.state(run.run_id), keys.timers, keys.signals, keys.outbox, keys.events),
            *(keys.ir(run.run_id), keys.plans, *(keys.plan(digest) for digest in digests)),
            *(keys.tasks(name) for name in layout.types),
        )
        channel = keys.ended if change.status in FINAL else ""
        told = (self._epoch, run.run_id, rebuilt.sealed.tip, change.seq, rebuilt.sealed.event, channel, layout.counts)
        sha = script("restore_run").sha
        return ("EVALSHA", sha, len(names), *names, *told, len(digests), *digests, *layout.sections)

    def _checked(self, answer: Answer, *expected: str) -> None:
        if answer[0].decode() not in expected:
            raise overtaken()


def _types_out(run: Snapshot) -> Mapping[str, str]:
    """The tokens whose tasks are on streams, and on which."""
    return {token: state.type for token, state in run.tokens.items() if state.type}
