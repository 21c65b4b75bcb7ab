"""The attempts that a worker has in its hands: begun as entries come in, reported as they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from pointsman.base.clock import monotonic
from pointsman.metrics import Metrics
from pointsman.ports.blob_store import BlobStore
from pointsman.protocol.task import decode_task
from pointsman.worker.attempt import attempt, attempt_now
from pointsman.worker.editing import Editing
from pointsman.worker.errors import NonRetryable
from pointsman.worker.handlers import Handler, Handlers
from pointsman.worker.report import Report, failed, unreadable
from pointsman.worker.secrets import Secrets
from pointsman.worker.slots import Slots
from pointsman.worker.task import Task
from pointsman.worker.threads import Threads

log = structlog.get_logger()

Entry = tuple[bytes, Sequence[bytes]]
"""One entry of a task stream: its id, and its fields and values in turn."""


class Surroundings(msgspec.Struct, frozen=True):
    """What the workers of a process share in one partition."""

    secrets: Secrets
    blobs: BlobStore
    metrics: Metrics
    editing: Editing
    send: Callable[[bytes], None]
    """Takes a signal that is to go out."""
    push: Callable[[], None]
    """Lets out at once what was taken, where it can."""


class Execution:
    """Runs the tasks of one worker, as many at a time as there are slots."""

    def __init__(
        self, task_type: str, handlers: Handlers, slots: Slots, threads: Threads, around: Surroundings
    ) -> None:
        self._handlers = handlers
        self._slots = slots
        self._around = around
        self._threads = threads
        self._seconds = around.metrics.task_seconds.labels(task_type)
        self._completed = around.metrics.tasks.labels(task_type, "completed")
        self._failed = around.metrics.tasks.labels(task_type, "failed")
        self._running: dict[bytes, tuple[Task, asyncio.Task[None]]] = {}

    def begin(self, entry: Entry) -> None:
        """Start what an entry asks for. A task whose handler is inline has ended when this returns."""
        began = monotonic()
        task = self._read(entry)
        if task is None:
            return
        try:
            handler = self._handlers.find(task.config)
        except NonRetryable as error:
            self._ended(task, failed(task, error, self._around.secrets), began)
            return
        if handler.kind == "inline" and not task.carries_references:
            self._ended(task, attempt_now(handler.function, task, self._around.secrets), began)
            return
        self._slots.take()
        self._running[entry[0]] = (task, asyncio.create_task(self._run(entry[0], handler, task, began)))

    @property
    def running(self) -> tuple[bytes, ...]:
        """The entries of the tasks that are being handled; any thread may ask."""
        return tuple(self._running)

    def close(self, entry_id: bytes) -> None:
        """Tell the handler of an entry, if it is still running, that its result is no longer wanted."""
        if entry_id in self._running:
            self._running[entry_id][0].close()

    async def finish(self) -> None:
        """Wait until nothing is running."""
        while self._running:
            await asyncio.wait([running for _, running in self._running.values()])

    async def abandon(self, patience_s: float) -> int:
        """Cancel what is running, and report nothing of it; how many tasks that are.

        A coroutine gets `patience_s` seconds to clean up. A thread cannot be stopped and is left behind.
        """
        left = [running for _, running in self._running.values()]
        for running in left:
            running.cancel()
        if left:
            await asyncio.wait(left, timeout=patience_s)
        return len(left)

    async def _run(self, entry_id: bytes, handler: Handler, task: Task, began: float) -> None:
        try:
            report = await attempt(handler, task, self._around.secrets, self._threads)
            self._ended(task, report, began)
        finally:
            del self._running[entry_id]
            self._slots.give()

    def _ended(self, task: Task, report: Report, began: float) -> None:
        self._around.send(report.signal)
        self._seconds.observe(monotonic() - began)
        (self._completed if report.outcome == "completed" else self._failed).inc()
        if report.unexpected:
            log.warning(
                "handler_raised", run_id=task.run_id, node=task.node_id, token=task.id, exception=report.unexpected
            )

    def _read(self, entry: Entry) -> Task | None:
        entry_id, fields = entry
        values = dict(zip(fields[::2], fields[1::2], strict=False))
        try:
            around = self._around
            return Task(decode_task(values.get(b"token", b"")), around.secrets, around.blobs, around.editing)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            run_id, node_id = (values.get(name, b"").decode(errors="replace") for name in (b"run_id", b"node_id"))
            log.error("task_unreadable", entry=entry_id.decode(), run_id=run_id, node=node_id, error=str(wrong))
            if run_id and node_id:
                self._around.send(unreadable(run_id, node_id, wrong).signal)
            return None
