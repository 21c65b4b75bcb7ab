"""`pointsman dev`: everything on this machine, from embedded servers to workers, until it is interrupted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from pointsman.cli.facts import DevFacts
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.cli.stack import Stack
from pointsman.settings import load


def dev(
    port: Annotated[
        int | None, typer.Option(help="Port of the API, by default PORT, else 8080; 0 takes any free one.")
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where the servers keep their data; by default POINTSMAN_DATA_DIR, else .pointsman."),
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(help="Module or file with workers of your own to start as well. May be given several times."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start Redis, Postgres and every process, and keep them up until Ctrl-C.

    A server that REDIS_URL or DATABASE_URL names is used in place of its embedded one. What runs is written to
    `dev.json` in the data directory, and the other commands find the API there. The data is kept: start it again and
    every run goes on.
    """
    settings = load("dev")
    output = Output(as_json=as_json)
    names = _Names(output)
    place = data_dir or settings.data_dir
    stack = Stack(settings, place, settings.port if port is None else port, worker or [], names.said, names.told)
    asyncio.run(_stay_up(stack, output, place))


class _Names:
    """Puts the name of a process before each of its lines, as wide as the widest so far."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._width = len("coordinator")

    def said(self, name: str, line: str) -> None:
        """Show a line that a process printed, its own colours included."""
        self._width = max(self._width, len(name))
        self._output.err.print(Text(f"{name:<{self._width}} │ ", style="dim"), end="", soft_wrap=True)
        self._output.err.print(Text.from_ansi(line), soft_wrap=True)

    def told(self, name: str, line: str) -> None:
        """Show a line about a process."""
        self._output.err.print(Text(f"{name} {line}", style="bold yellow"), soft_wrap=True)


async def _stay_up(stack: Stack, output: Output, data_dir: Path) -> None:
    asked_to_stop = asyncio.Event()

    def stop() -> None:
        if asked_to_stop.is_set():
            stack.kill()
        asked_to_stop.set()

    for number in (SIGINT, SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    starting, stopping = asyncio.create_task(stack.start()), asyncio.create_task(asked_to_stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            output.result(msgspec.to_builtins(stack.facts), _banner(stack.facts, data_dir))
            await stopping
        output.say("Stopping; once more ends everything at once.")
    finally:
        await _ended(starting)
        await stack.stop()


async def _ended(starting: asyncio.Task[None]) -> None:
    """Wait out a start that was interrupted: a server half started could not be stopped."""
    starting.cancel()
    await asyncio.wait([starting])


def _banner(facts: DevFacts, data_dir: Path) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("Pointsman is up", style="bold green"))
    for name, value in (
        ("API", facts.api_url),
        ("Redis", _without_password(facts.redis_url)),
        ("Postgres", _without_password(facts.postgres_dsn)),
        ("data", f"{data_dir} (the URLs with their passwords: {data_dir / 'dev.json'})"),
        ("try", "pointsman run WORKFLOW.yaml --wait"),
    ):
        table.add_row(Text(f"  {name}", style="bold"), Text(value))
    return table


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
