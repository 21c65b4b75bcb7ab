"""How every Redis key is spelled; `lua/README.md` says what each holds. Nothing else spells one.

There is one partition. With more, every name here but those of the public list and channel carries its partition's
hash tag (ARCHITECTURE §4): then `Keyspace` is made for each partition, and nothing outside this module changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pointsman.adapters.redis.packing import pack_arguments
from pointsman.base.ids import Digest, RunId

COORDINATORS: Final = "coordinators"
"""Consumer group of the signals stream."""
WORKERS: Final = "workers"
"""Consumer group of each task stream."""

_CACHED_RUNS: Final = 8_192


class Keyspace:
    """The names of one partition's keys."""

    def __init__(self) -> None:
        self.epoch = "epoch"
        self.server = "wf.server"
        self.recovery = "wf.recovery"
        self.signals = "wf.signals"
        self.rejected = "wf.signals.rejected"
        self.events = "wf.events"
        self.outbox = "wf.outbox"
        self.timers = "wf.timers"
        self.workers = "wf.workers"
        self.plans = "wf.plans"
        self.task_types = "wf.types"
        self.pushed = "completion_signals"
        """The public list: any worker, any language."""
        self.staging = "completion_signals.staging"
        self.ended = "completion_events"
        """A channel, no key."""
        self.run_heads = "run:*"
        """A pattern, no key: the own fields of every run."""
        self.packed_run = lru_cache(_CACHED_RUNS)(self._packed_run)

    def tasks(self, task_type: str) -> str:
        """The stream of one type's tasks."""
        return f"wf.tasks.{task_type}"

    def plan(self, digest: Digest | str) -> str:
        """A plan's canonical JSON."""
        return f"plan:{digest}"

    def ir(self, run: RunId) -> str:
        """The digest of a run's plan."""
        return f"ir:{run}"

    def tombstone(self, run: RunId) -> str:
        """There for a while after a run was removed: a start that is late must not run it again."""
        return f"ended:{run}"

    def lease(self, consumer: str) -> str:
        """There while a registered worker is alive."""
        return f"worker:{consumer}"

    def state(self, run: RunId) -> tuple[str, ...]:
        """What a run consists of: its own fields, counter, tokens, joins, context, frames, history."""
        return (
            f"run:{run}",
            f"counter:{run}",
            f"tokens:{run}",
            f"joins:{run}",
            f"context:{run}",
            f"frames:{run}",
            f"history:{run}",
        )

    def run_of(self, head: str) -> RunId:
        """The run whose own fields a key holds."""
        return RunId(head.partition(":")[2])

    def _packed_run(self, run: RunId) -> bytes:
        """The first twelve keys of `start_run` and `apply_transition`, as they go over the wire."""
        return pack_arguments(self.epoch, *self.state(run), self.timers, self.signals, self.outbox, self.events)
