"""Every Prometheus metric of every process, declared in one place; `docs/reference/metrics.md` lists them."""

from __future__ import annotations

from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

Kind = Literal["counter", "gauge", "histogram"]

NAMESPACE = "pointsman"
QUICK = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds a round trip to Redis or Postgres may take, from very good to very bad."""
SLOW = (0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
"""Seconds that somebody else's code may take."""
DOUBLING = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Declared(NamedTuple):
    """One metric as Prometheus sees it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]


class Metrics:
    """The metrics of one process. Made once, in its `__main__`, and handed to whoever counts."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.declared: list[Declared] = []

        self.signals = self._counter("signals", "Signals taken from the stream.", "outcome")
        self.transitions = self._counter("transitions", "Transitions applied.")
        self.stale = self._counter("stale", "Transitions refused because the run had moved on; they are stepped again.")
        self.rejected = self._counter("rejected", "Signals set aside, by error code.", "code")
        self.left_to_newer = self._counter("left_to_newer", "Signals left to a coordinator of a newer release.")
        self.fan_outs_held = self._counter(
            "fan_outs_held", "Portions of large fan-outs put off: memory was short, or workers had enough.", "reason"
        )
        self.apply_seconds = self._histogram("apply_seconds", "One pipelined apply, all its transitions.", QUICK)
        self.batch_size = self._histogram("batch_size", "Signals in one batch.", DOUBLING)
        self.cache_hits = self._counter("cache_hits", "Snapshots found in the coordinator's own cache.")
        self.cache_misses = self._counter("cache_misses", "Snapshots that had to be read.")
        self.partitions_held = self._gauge(
            "partitions_held", "Partitions that this process serves, where there are several."
        )

        self.backlog = self._gauge("backlog", "Entries in a stream that nobody has finished.", "stream")
        self.memory_share = self._gauge("memory_share", "Share of its maxmemory that Redis uses; 0 without a limit.")
        self.journal_lag_ms = self._gauge("journal_lag_ms", "Age of the oldest event not yet in Postgres.")
        self.journal_rows = self._counter("journal_rows", "Events written to Postgres.")
        self.journal_alarms = self._counter(
            "journal_alarms", "Events or projections that the journal could not take as they were.", "kind"
        )
        self.dead_letters = self._counter("dead_letters", "Dead letters written to Postgres, by kind.", "kind")
        self.recovering = self._gauge("recovering", "1 while Redis is being recovered and takes no change.")
        self.recoveries = self._counter("recoveries", "Times that Redis was opened, by why.", "reason")
        self.runs_recovered = self._counter("runs_recovered", "Runs that were restored to Redis from the journal.")
        self.timers_fired = self._counter("timers_fired", "Timers that came due and were sent as signals.")
        self.tasks = self._counter("tasks", "Tasks that handlers ended, by type and outcome.", "type", "outcome")
        self.task_seconds = self._histogram(
            "task_seconds", "One attempt in its worker, from being read to its result.", SLOW, "type"
        )
        self.worker_lost = self._counter("worker_lost", "Attempts taken back from workers that died.")
        self.waiting_for_worker = self._gauge(
            "waiting_for_worker", "Tasks of a type that no live worker serves.", "type"
        )
        self.runs_final = self._counter("runs_final", "Runs that ended, by how.", "status")
        self.completion_mismatches = self._counter(
            "completion_mismatches", "Runs that ended in the journal and not in Redis, or not in their row."
        )
        self.runs_removed = self._counter("runs_removed", "Finished runs removed from Postgres after their time.")
        self.blobs_removed = self._counter("blobs_removed", "Large outputs removed since no run refers to them.")
        self.archive_failures = self._counter(
            "archive_failures", "Finished runs that could not be archived, and so were not removed."
        )
        self.runs_reconciled = self._counter("runs_reconciled", "Runs started for whoever accepted them and died.")
        self.tasks_lost = self._counter("tasks_lost", "Tasks that were gone from their streams, and handed out again.")
        self.runs_forked = self._counter("runs_forked", "Runs accepted that begin with the history of another.")
        self.stuck_runs = self._gauge("stuck_runs", "Open runs that wait for nothing; each is a bug.")

        self.http_requests = self._counter(
            "http_requests", "HTTP requests answered by the API.", "method", "route", "status"
        )
        self.http_seconds = self._histogram("http_seconds", "From request to the end of its answer.", QUICK, "route")
        self.event_streams = self._gauge("event_streams", "Event streams that the API is sending.")

    def render(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self._declare(f"{name}_total", "counter", text, labels)
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self._declare(name, "gauge", text, labels)
        return Gauge(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self._declare(name, "histogram", text, labels)
        return Histogram(name, text, labels, namespace=NAMESPACE, registry=self.registry, buckets=buckets)

    def _declare(self, name: str, kind: Kind, text: str, labels: tuple[str, ...]) -> None:
        self.declared.append(Declared(f"{NAMESPACE}_{name}", kind, text, labels))
