"""What a log line holds, and what it never holds."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from pointsman.logging import configure, redact
from pointsman.settings import Settings


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_its_keys() -> None:
    # Given a coordinator that logs as JSON
    out = io.StringIO()
    configure(Settings(), "coordinator", out)
    log = structlog.get_logger()
    # When it says something about a token of a run
    log.warning("waiting_for_worker", run_id="run_1", node="score", token=":score", type="agent")
    # Then one line holds exactly that, with the process, the level and the time
    (line,) = lines_of(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "waiting_for_worker",
        "level": "warning",
        "process": "coordinator",
        "run_id": "run_1",
        "node": "score",
        "token": ":score",
        "type": "agent",
    }


def test_what_is_below_the_asked_level_is_not_logged() -> None:
    out = io.StringIO()
    configure(Settings(log_level="warning"), "coordinator", out)
    structlog.get_logger().info("batch_applied")
    assert out.getvalue() == ""


def test_lines_for_people_name_event_and_keys() -> None:
    out = io.StringIO()
    configure(Settings(log_format="console"), "supervisor", out)
    structlog.get_logger().info("duty_taken", duty="journal")
    assert "duty_taken" in out.getvalue()
    assert "duty=journal" in out.getvalue()


def test_libraries_log_in_the_same_format() -> None:
    # Given a library that uses the standard library's logging
    out = io.StringIO()
    configure(Settings(), "api", out)
    # When it informs and warns
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    logging.getLogger("asyncpg").warning("lost %s", "postgresql://me:hunter2@db/x")
    # Then only the warning is heard, in our format, without the password
    (line,) = lines_of(out)
    assert line.pop("timestamp")
    assert line == {
        "event": "lost postgresql://me:***@db/x",
        "level": "warning",
        "logger": "asyncpg",
        "process": "api",
    }


def test_python_warnings_become_lines_of_the_log() -> None:
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(Settings(), "worker", out)
        warnings.warn("that is old", UserWarning, stacklevel=1)
    (line,) = lines_of(out)
    assert line["logger"] == "py.warnings"
    assert "that is old" in line["event"]


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (SecretStr("hunter2"), "***"),
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("cannot reach postgresql://me:hun@ter2@h/d?x=1", "cannot reach postgresql://me:***@h/d?x=1"),
        ("postgresql://h/d?user=me&password=hunter2&x=1", "postgresql://h/d?user=me&password=***&x=1"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ({"password": "hunter2", "user": "me"}, {"password": "***", "user": "me"}),
        (["http://a:hunter2@b/", 7], ["http://a:***@b/", 7]),
        (ValueError("redis://me:hunter2@h"), "ValueError: redis://me:***@h"),
        ("http://host:8080/path@2", "http://host:8080/path@2"),
        ("the bearer of bad news", "the bearer of bad news"),
    ],
)
def test_secrets_are_taken_out_wherever_they_hide(value: object, logged: object) -> None:
    assert redact(None, "info", {"event": "e", "value": value}) == {"event": "e", "value": logged}


def test_telling_keys_hide_their_value_in_any_case() -> None:
    assert redact(None, "info", {"event": "e", "Authorization": "x"}) == {"event": "e", "Authorization": "***"}


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.filterwarnings("error")
def test_a_traceback_shows_neither_passwords_nor_locals(log_format: Any) -> None:
    # Given an error whose message and whose frame hold a password
    out = io.StringIO()
    configure(Settings(log_format=log_format), "worker", out)
    password = "hunter" + str(2)
    try:
        raise ConnectionError(f"redis://me:{password}@h")
    except ConnectionError:
        # When it is logged with its traceback
        structlog.get_logger().exception("server_lost")
    # Then the error is there and the password is not
    assert "ConnectionError" in out.getvalue()
    assert "hunter2" not in out.getvalue()
