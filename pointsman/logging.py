"""Logs of every process: one JSON object a line on standard error (or coloured lines for people), secrets taken out.

Names of log events are literals, all listed in `docs/reference/logs.md`. A line says who it is about with the keys
`run_id`, `node` and `token`. Nothing is logged for each signal above debug.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from pointsman.rights.grant import without_edit_tokens
from pointsman.settings import Process, Settings

HIDDEN: Final = "***"
SECRET_KEYS: Final = frozenset({"password", "passwd", "secret", "api_key", "authorization", "cookie"})

_USERINFO = re.compile(r"(\w[\w+.-]*://[^\s:/@]*):[^\s/]+@")
_QUERY = re.compile(r"(?i)([?&;](?:password|passwd|sslpassword|secret|token|api_key)=)[^\s&;]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic) [\w.~+/=-]{8,}")


def configure(settings: Settings, process: Process, stream: TextIO | None = None) -> None:
    """Send this process's logs, and those of the libraries it uses, to `stream` (standard error) in the asked format.

    Libraries are heard from `warning` on. A library that sets up logging by itself must be told not to
    (`uvicorn.Config(log_config=None)`).
    """
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    chain = _chain(process)
    renderer = _renderer(settings, stream)
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    _take_over_stdlib(chain, renderer, stream, max(level, logging.WARNING))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take secrets out of a log line: values under telling keys, passwords in URLs, bearer and edit tokens."""
    return {key: _without_secrets(key, value) for key, value in event.items()}


def _chain(process: Process) -> list[Processor]:
    def name_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return [
        structlog.contextvars.merge_contextvars,
        name_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]


def _renderer(settings: Settings, stream: TextIO) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(sort_keys=True)
    # Its default shows the local variables of every frame, passwords among them.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def _take_over_stdlib(chain: list[Processor], renderer: Processor, stream: TextIO, level: int) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)


def _without_secrets(key: object, value: Any) -> Any:
    if isinstance(value, SecretStr) or (isinstance(key, str) and key.lower() in SECRET_KEYS):
        return HIDDEN
    if isinstance(value, str):
        return _hidden_in_text(value)
    if isinstance(value, Mapping):
        return {inner: _without_secrets(inner, held) for inner, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_secrets(None, held) for held in value]
    if isinstance(value, BaseException):
        return _hidden_in_text(f"{type(value).__name__}: {value}")
    return value


def _hidden_in_text(text: str) -> str:
    if "://" in text:
        text = _QUERY.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1:{HIDDEN}@", text))
    return without_edit_tokens(_BEARER.sub(rf"\1 {HIDDEN}", text), HIDDEN)
