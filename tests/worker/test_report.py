"""What goes on the wire about an attempt."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from pointsman.base.errors import ServerUnavailable
from pointsman.ports.blob_store import BlobMissing
from pointsman.worker import NonRetryable, Ref, Retryable
from pointsman.worker.report import MAX_MESSAGE, Report, completed, failed, unreadable
from pointsman.worker.secrets import Secrets
from tests.worker.wire_tasks import a_task

ADDRESS = {"version": "1.0", "job_id": "run_1::work:1", "run_id": "run_1", "node_id": "work"}


@dataclasses.dataclass
class Parcel:
    weight: float


def told(report: Report) -> dict[str, Any]:
    """The signal, with the version that is always there."""
    signal: dict[str, Any] = {"version": "1.0"} | msgspec.json.decode(report.signal)
    return signal


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({"sent": True}, {"result_data": {"sent": True}}),
        ([1, 2.5, "x", None], {"result_data": [1, 2.5, "x", None]}),
        (None, {"result_data": None}),
        (Parcel(2.5), {"result_data": {"weight": 2.5}}),
        (Ref("s3://bucket/key"), {"result_ref": "s3://bucket/key"}),
    ],
)
def test_what_a_handler_returns_becomes_the_result(value: Any, fields: dict[str, Any]) -> None:
    assert told(completed(a_task(), value)) == {"status": "completed", **ADDRESS, **fields}


@pytest.mark.parametrize("value", [{"socket": object()}, "half a pair: \ud800", {"keys": {object(): 1}}])
def test_a_result_that_json_cannot_hold_fails_for_good(value: Any) -> None:
    with pytest.raises(NonRetryable) as error:
        completed(a_task(), value)
    assert error.value.type == "result_not_json"
    assert error.value.message.startswith("the handler returned what JSON cannot hold: ")


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (Retryable("try later"), {"error_type": "error", "error_message": "try later"}),
        (Retryable("busy", type="mail_busy"), {"error_type": "mail_busy", "error_message": "busy"}),
        (
            NonRetryable("no such user", type="unknown_user"),
            {"error_type": "unknown_user", "error_message": "no such user", "retryable": False},
        ),
        (
            ZeroDivisionError("division by zero"),
            {"error_type": "ZeroDivisionError", "error_message": "division by zero"},
        ),
        (SystemExit(3), {"error_type": "SystemExit", "error_message": "3"}),
        (
            ServerUnavailable("SRV030", "no store"),
            {"error_type": "ServerUnavailable", "error_message": "SRV030 no store"},
        ),
        (
            BlobMissing("SRV031", "no blob"),
            {"error_type": "BlobMissing", "error_message": "SRV031 no blob", "retryable": False},
        ),
    ],
)
def test_errors_are_told_by_type_and_whether_to_try_again(error: BaseException, about: dict[str, Any]) -> None:
    assert told(failed(a_task(), error, Secrets())) == {"status": "failed", **ADDRESS, "metadata": about}


def test_no_secret_is_in_a_reported_error_or_its_traceback() -> None:
    # Given a task that has read a secret
    secrets = Secrets({"KEY": SecretStr("s3cret")})
    task = a_task(secrets)
    value = task.resolve_secret("secret://key")
    # When its handler raises an error that holds it
    try:
        raise RuntimeError(f"login with {value} refused")
    except RuntimeError as error:
        report = failed(task, error, secrets)
    # Then what is reported and what is logged do not
    assert told(report)["metadata"]["error_message"] == "login with *** refused"
    assert "RuntimeError: login with *** refused" in report.unexpected
    assert b"s3cret" not in report.signal


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "about"),
    [
        (Unspeakable(), ("Unspeakable", "(its message cannot be read: RuntimeError)")),
        (ValueError("half a pair: \ud800"), ("ValueError", "half a pair: ?")),
        (Retryable(ValueError("wrapped")), ("error", "wrapped")),
    ],
)
def test_an_error_that_cannot_be_told_as_it_is_is_told_all_the_same(error: Exception, about: tuple[str, str]) -> None:
    metadata = told(failed(a_task(), error, Secrets()))["metadata"]
    assert (metadata["error_type"], metadata["error_message"]) == about


def test_an_endless_error_message_is_cut() -> None:
    message = told(failed(a_task(), ValueError("x" * 10_000), Secrets()))["metadata"]["error_message"]
    assert message == "x" * MAX_MESSAGE


def test_an_unreadable_task_fails_the_only_token_of_its_node() -> None:
    assert told(unreadable("run_1", "work", ValueError("no JSON"))) == {
        "version": "1.0",
        "status": "failed",
        "run_id": "run_1",
        "node_id": "work",
        "metadata": {
            "error_type": "unreadable_task",
            "error_message": "the worker cannot read its task: no JSON",
            "retryable": False,
        },
    }
