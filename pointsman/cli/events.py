"""The events of a run as they happen: one after the other, none twice, none left out, over lost connections."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pointsman.base.errors import PointsmanError, ServerUnavailable
from pointsman.cli.client import Api, run_path
from pointsman.cli.exits import Answered, ExitCode, exit_code

FINAL: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"})

_TRIES: Final = 7
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0


class Message(NamedTuple):
    """One message of an event stream."""

    event: str
    data: str
    id: str | None


def follow(api: Api, run: str) -> Iterator[dict[str, Any]]:
    """Every event of a run, from its first to the one that ends it.

    Raises:
        ServerUnavailable: The API stayed away for several tries in a row. `Answered`, if it answered that it cannot.
    """
    last: str | None = None
    failures = 0
    while True:
        lost: PointsmanError | None = None
        failures += 1
        try:
            for message in _messages_of(api, run, last):
                last, failures = message.id or last, 0
                event = json.loads(message.data)
                yield event
                if event.get("status") in FINAL:
                    return
        except (ServerUnavailable, Answered) as error:
            lost = error
        if lost and (failures == _TRIES or exit_code(lost) != ExitCode.UNAVAILABLE):
            raise lost
        if failures:
            time.sleep(min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S))


def messages(lines: Iterable[str]) -> Iterator[Message]:
    """The messages of an event stream, as the HTML standard has them; comments are left out."""
    event, data, id_ = "message", list[str](), None
    for line in lines:
        if not line:
            if data:
                yield Message(event, "\n".join(data), id_)
            event, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                event = value
            case "data":
                data.append(value)
            case "id":
                id_ = value
            case _:
                pass


def _messages_of(api: Api, run: str, last: str | None) -> Iterator[Message]:
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    with api.stream(run_path(run, "events"), headers) as lines:
        yield from messages(lines)
