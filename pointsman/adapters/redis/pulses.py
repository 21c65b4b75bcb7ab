"""RedisPulses: open runs looked at in numbers, without their results."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from pointsman.adapters.redis.packing import Argument, Command
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.records import pairs, read_token
from pointsman.adapters.redis.wire import Answer
from pointsman.base.errors import ServerUnavailable
from pointsman.base.ids import JobId, Millis, RunId, TokenId, job_id
from pointsman.ports.pulse import UNSEEN, Pulse, Pulses
from pointsman.protocol.dead_letter import addressee
from pointsman.protocol.state import OpenToken

_AT_ONCE: Final = 1_000
"""Tasks that one script looks for, and signals that are looked at."""


class _Task(NamedTuple):
    """A task that should be on its stream."""

    job_id: JobId
    type: str
    entry: str


class RedisPulses:
    """The adapter of `pointsman.ports.pulse.Pulses`; the docstrings there hold here."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._connection = partition.connection
        self._keys = partition.keys

    async def of(self, runs: Sequence[RunId], since: Millis) -> dict[RunId, Pulse]:
        """Read many runs in one round trip, and look for their tasks in one script for each thousand."""
        asked: list[Command] = []
        for run in runs:
            head, _, tokens, *_ = self._keys.state(run)
            asked += [("HMGET", head, "status", "seq"), ("HGETALL", tokens)]
        told = await self._connection.ask_all(asked)
        found: dict[RunId, Pulse] = {}
        out: dict[RunId, list[_Task]] = {}
        for run, (status, seq), flat in zip(runs, told[::2], told[1::2], strict=True):
            if status is not None:
                opened, out[run] = _read(run, flat, since)
                found[run] = Pulse(_status(status), int(seq), opened, [])
        missing = await self._missing([task for tasks in out.values() for task in tasks])
        for run, tasks in out.items():
            if lost := [task.job_id for task in tasks if task.job_id in missing]:
                found[run] = found[run]._replace(lost=lost)
        return found

    async def waiting(self, since: Millis) -> dict[RunId, Millis] | None:
        """Look at the first thousand entries: what was acted upon is gone."""
        status, _ = await self._partition.run("missing_tasks", (), ())
        entries = await self._connection.ask("XRANGE", self._keys.signals, "-", since, "COUNT", _AT_ONCE)
        if status == "fenced" or len(entries) == _AT_ONCE:
            return None
        found: dict[RunId, Millis] = {}
        for entry, flat in entries:
            run = addressee(dict(pairs(flat)).get(b"signal", b"")).run
            if run is not None:
                found.setdefault(run, Millis(int(entry.partition(b"-")[0])))
        return found

    async def _missing(self, out: Sequence[_Task]) -> set[JobId]:
        missing: set[JobId] = set()
        for begin in range(0, len(out), _AT_ONCE):
            few = out[begin : begin + _AT_ONCE]
            numbers = {name: number for number, name in enumerate(dict.fromkeys(task.type for task in few), 1)}
            args: list[Argument] = [arg for task in few for arg in (numbers[task.type], task.entry)]
            names = tuple(self._keys.tasks(name) for name in numbers)
            status, rest = await self._partition.run("missing_tasks", names, tuple(args))
            missing |= {few[number - 1].job_id for number in rest[0]} if status == "looked" else set()
        return missing


class RoutedPulses:
    """The same of all partitions. Of the runs in one that cannot be asked, or is closed, nothing is said."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._pulses = [RedisPulses(partition) for partition in partitions.all]
        self._blind: set[int] = set()

    async def of(self, runs: Sequence[RunId], since: Millis) -> dict[RunId, Pulse]:
        """Ask the partitions side by side."""
        split = self._partitions.split(runs)
        found = await asyncio.gather(*(self._of(number, few, since) for number, few in split.items()))
        return {run: pulse for told in found for run, pulse in told.items()}

    async def waiting(self, since: Millis) -> dict[RunId, Millis] | None:
        """Look at each stream. None, or `ServerUnavailable`, where there is none that anything can be said of."""
        looked = (pulses.waiting(since) for pulses in self._pulses)
        told = await asyncio.gather(*looked, return_exceptions=True)
        found: dict[RunId, Millis] = {}
        self._blind.clear()
        for number, answer in enumerate(told):
            if isinstance(answer, dict):
                found |= answer
            elif answer is None or isinstance(answer, ServerUnavailable):
                self._blind.add(number)
            else:
                raise answer
        if len(self._blind) < len(self._pulses):
            return found
        for answer in told:
            if isinstance(answer, ServerUnavailable):
                raise answer
        return None

    async def _of(self, number: int, runs: Sequence[RunId], since: Millis) -> dict[RunId, Pulse]:
        if number not in self._blind:
            with suppress(ServerUnavailable):
                return await self._pulses[number].of(runs, since)
        return dict.fromkeys(runs, UNSEEN)


def open_pulses(partitions: Partitions) -> Pulses:
    """The open runs of all partitions, in numbers."""
    return RedisPulses(partitions.all[0]) if len(partitions.all) == 1 else RoutedPulses(partitions)


def _read(run: RunId, flat: Answer, since: Millis) -> tuple[dict[TokenId, OpenToken], list[_Task]]:
    tokens, out = {}, []
    for name, record in pairs(flat):
        token, state = TokenId(name.decode()), read_token(record)
        tokens[token] = state
        if state.state == "dispatched" and (state.dispatched_at or 0) <= since:
            entry = record.partition(b" ")[0].decode()
            out.append(_Task(job_id(run, token, state.attempt), state.type, entry))
    return tokens, out


def _status(told: bytes) -> Any:
    return told.decode()
