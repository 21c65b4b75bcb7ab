"""The worker of the self-extending run, but that its process dies once, when it has extended a run and not said so."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from pointsman.settings import Settings
from pointsman.worker import Task, Worker
from pointsman.worker.handlers import Function
from pointsman.worker.target import load_workers

EXAMPLE = Path(__file__).parents[2] / "examples" / "self-extending-research" / "worker.py"


def workers(settings: Settings) -> list[Worker]:
    """The same handlers, with a mortal `plan`."""
    (theirs,), mortal = load_workers(str(EXAMPLE), settings), Worker("function")
    for name in ("plan", "research", "write_report"):
        function = theirs.handlers.find({"handler": name}).function
        mortal.handler(name)(dying_once(function) if name == "plan" else function)
    return [mortal]


def dying_once(function: Function) -> Function:
    """The same, but its process dies at the end of the first attempt."""

    async def mortal(task: Task) -> Any:
        done = await function(task)
        if task.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return mortal
