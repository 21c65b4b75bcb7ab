"""What workers were handed and what they reported, as they write it down: a file a process, only ever added to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from pointsman.worker import Task
from tests.chaos.record import Line

FOLDER = "POINTSMAN_TEST_LEDGERS"
"""The variable that tells a worker where to write."""

_DECODER = msgspec.json.Decoder(Line)


class Ledger:
    """The ledger of this process. A line is one write, so that dying leaves whole lines only."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"{os.getpid()}-{time.monotonic_ns()}.jsonl"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: Literal["handed", "reported", "failed"], task: Task, data: Any) -> None:
        """Add one line about a task."""
        line = Line(time.monotonic_ns(), what, task.run_id, task.id, task.attempt, task.node_id, data)
        os.write(self._file, msgspec.json.encode(line) + b"\n")


def read_ledgers(folder: Path) -> Iterator[Line]:
    """All lines of all processes."""
    for path in sorted(folder.glob("*.jsonl")):
        yield from (_DECODER.decode(line) for line in path.read_bytes().splitlines())
