"""How every Redis key is spelled; `lua/README.md` says what each holds. Nothing else spells one.

With one partition names are as short as they read here. With more, every name but those of the public list and channel
begins with its partition's hash tag (ARCHITECTURE §4): `{3}wf.signals`. All keys of a partition, and so of a run, then
have one slot of a Redis Cluster.
"""

from __future__ import annotations

from binascii import crc_hqx
from functools import lru_cache
from typing import Final

from pointsman.adapters.redis.packing import pack_arguments
from pointsman.base.ids import Digest, RunId

COORDINATORS: Final = "coordinators"
"""Consumer group of the signals stream."""
WORKERS: Final = "workers"
"""Consumer group of each task stream."""

PUSHED: Final = "completion_signals"
"""The public list: any worker, any language."""

_CACHED_RUNS: Final = 8_192
_SLOTS: Final = 16_384


def slot_of(tag: str) -> int:
    """The slot of a Redis Cluster that a hash tag, or a name without one, belongs to."""
    return crc_hqx(tag.encode(), 0) % _SLOTS


class Keyspace:
    """The names of one partition's keys."""

    def __init__(self, number: int = 0, of: int = 1) -> None:
        """Of the partition `number`, counted from 0, of so many."""
        tag = self._tag = f"{{{number}}}" if of > 1 else ""
        self.epoch = f"{tag}epoch"
        self.server = f"{tag}wf.server"
        self.recovery = f"{tag}wf.recovery"
        self.signals = f"{tag}wf.signals"
        self.rejected = f"{tag}wf.signals.rejected"
        self.events = f"{tag}wf.events"
        self.outbox = f"{tag}wf.outbox"
        self.timers = f"{tag}wf.timers"
        self.workers = f"{tag}wf.workers"
        self.plans = f"{tag}wf.plans"
        self.task_types = f"{tag}wf.types"
        self.pushed = PUSHED
        self.staging = f"{{{PUSHED}}}.staging" if tag else f"{PUSHED}.staging"
        self.ended = "completion_events"
        """A channel, no key."""
        self.run_heads = f"{tag}run:*"
        """A pattern, no key: the own fields of every run."""
        self.slot = slot_of(str(number) if tag else PUSHED)
        """Of a Redis Cluster: where these keys are."""
        self.packed_run = lru_cache(_CACHED_RUNS)(self._packed_run)

    def tasks(self, task_type: str) -> str:
        """The stream of one type's tasks."""
        return f"{self._tag}wf.tasks.{task_type}"

    def plan(self, digest: Digest | str) -> str:
        """A plan's canonical JSON."""
        return f"{self._tag}plan:{digest}"

    def ir(self, run: RunId) -> str:
        """The digest of a run's plan."""
        return f"{self._tag}ir:{run}"

    def tombstone(self, run: RunId) -> str:
        """There for a while after a run was removed: a start that is late must not run it again."""
        return f"{self._tag}ended:{run}"

    def lease(self, consumer: str) -> str:
        """There while a registered worker is alive."""
        return f"{self._tag}worker:{consumer}"

    def holder(self, role: str) -> str:
        """The process of that role that serves the partition; there while its lease lasts."""
        return f"{self._tag}wf.{role}"

    def members(self, role: str) -> str:
        """All live processes of that role, in partition 0."""
        return f"{self._tag}wf.{role}s"

    def member_changes(self, role: str) -> str:
        """Tells those processes that one came or went, or released a partition; in partition 0."""
        return f"{self._tag}wf.{role}s.changes"

    def state(self, run: RunId) -> tuple[str, ...]:
        """What a run consists of: its own fields, counter, tokens, joins, context, frames, history."""
        tag = self._tag
        return (
            f"{tag}run:{run}",
            f"{tag}counter:{run}",
            f"{tag}tokens:{run}",
            f"{tag}joins:{run}",
            f"{tag}context:{run}",
            f"{tag}frames:{run}",
            f"{tag}history:{run}",
        )

    def run_of(self, head: str) -> RunId:
        """The run whose own fields a key holds."""
        return RunId(head.partition(":")[2])

    def _packed_run(self, run: RunId) -> bytes:
        """The first twelve keys of `start_run` and `apply_transition`, as they go over the wire."""
        return pack_arguments(self.epoch, *self.state(run), self.timers, self.signals, self.outbox, self.events)
