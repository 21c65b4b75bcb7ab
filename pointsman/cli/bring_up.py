"""The commands that become one process of Pointsman: its signals and its exit code, with no parent between."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from typing import Annotated, NoReturn

import typer

from pointsman.adapters.postgres.migrate import known_migrations
from pointsman.adapters.postgres.migrate import migrate as apply_migrations
from pointsman.base.errors import PointsmanError
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.settings import load


def coordinator() -> None:
    """Start one coordinator: it takes signals and decides what comes next. Start as many as you like."""
    _become("-P", "-m", "coordinator")


def supervisor() -> None:
    """Start one supervisor: timers, lost workers, the journal, completion. Start two or more to be safe."""
    _become("-P", "-m", "supervisor")


def api() -> None:
    """Start the HTTP API."""
    _become("-P", "-m", "orchestrator_api")


def worker(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE",
            help="File or module with a `Worker` in it; `pointsman.worker.builtin` has those for http and transform.",
        ),
    ],
) -> None:
    """Start the workers that a module makes."""
    _become("-m", "pointsman.worker", target)


def bench() -> None:
    """Measure throughput, latency and memory on servers of its own, each beside its floor; about half a minute.

    For a checkout: the workloads are not in the package. Exits 1 where a figure that binds falls short.
    """
    if find_spec("bench") is None:
        raise PointsmanError(
            "CFG012", "there is no benchmark here: run this in a checkout of Pointsman, or `make bench`."
        )
    _become("-m", "bench")


def migrate(as_json: AsJson = False) -> None:
    """Bring the Postgres of DATABASE_URL to this release's schema. Safe to run again, and several times at once."""
    applied = asyncio.run(apply_migrations(load("cli").database_dsn))
    shown = "\n".join(f"applied {name}" for name in applied)
    Output(as_json=as_json).result(
        {"applied": applied, "known": len(known_migrations())}, shown or "Nothing to do: the schema is up to date."
    )


def _become(*arguments: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, *arguments])
