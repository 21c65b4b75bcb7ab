"""What a worker reports of one attempt, as the signal that goes on the wire."""

from __future__ import annotations

import traceback
from typing import Any, Final, Literal, NamedTuple

import msgspec

from pointsman.base.errors import PointsmanError
from pointsman.protocol.signal import WireSignal, encode_wire
from pointsman.worker.errors import NonRetryable, TaskFailed
from pointsman.worker.secrets import Secrets
from pointsman.worker.task import Ref, Task

MAX_MESSAGE: Final = 2_000
"""Characters of an error message that are reported."""

Outcome = Literal["completed", "failed"]


class Report(NamedTuple):
    """One signal, and how the attempt ended."""

    signal: bytes
    outcome: Outcome
    unexpected: str = ""
    """The traceback of an error that the handler did not mean to raise, without secrets."""


def completed(task: Task, value: Any) -> Report:
    """The report of an attempt that returned `value`.

    Raises:
        NonRetryable: `result_not_json`.
    """
    signal = WireSignal("completed", job_id=task.job_id, run_id=task.run_id, node_id=task.node_id)
    if isinstance(value, Ref):
        signal.result_ref = value.ref
    else:
        signal.result_data = msgspec.Raw(_encoded(value))
    return Report(encode_wire(signal), "completed")


def failed(task: Task, error: BaseException, secrets: Secrets) -> Report:
    """The report of an attempt that raised `error`. The values of secrets are taken out."""
    kind, message, retryable = _told(error)
    about: dict[str, Any] = {"error_type": _clean(kind), "error_message": _clean(secrets.redact(message))}
    if not retryable:
        about["retryable"] = False
    signal = WireSignal("failed", job_id=task.job_id, run_id=task.run_id, node_id=task.node_id, metadata=about)
    trace = "" if isinstance(error, TaskFailed) else secrets.redact("".join(traceback.format_exception(error)))
    return Report(encode_wire(signal), "failed", trace)


def unreadable(run_id: str, node_id: str, why: Exception) -> Report:
    """The report about a stream entry that is no task; without a job id it counts for the node's one open token."""
    message = _clean(f"the worker cannot read its task: {why}")
    about = {"error_type": "unreadable_task", "error_message": message, "retryable": False}
    signal = WireSignal("failed", run_id=run_id, node_id=node_id, metadata=about)
    return Report(encode_wire(signal), "failed")


def _told(error: BaseException) -> tuple[str, str, bool]:
    if isinstance(error, TaskFailed):
        return error.type, error.message, error.retryable
    retryable = error.retryable if isinstance(error, PointsmanError) else True
    try:
        return type(error).__name__, str(error), retryable
    except Exception as wrong:
        return type(error).__name__, f"(its message cannot be read: {type(wrong).__name__})", retryable


def _clean(text: str) -> str:
    """A text that JSON can hold, not too long."""
    return str(text)[:MAX_MESSAGE].encode(errors="replace").decode()


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as wrong:
        raise NonRetryable(
            f"the handler returned what JSON cannot hold: {wrong}. Return dicts, lists, text, numbers, true, false, "
            "None, or a Ref.",
            type="result_not_json",
        ) from wrong
