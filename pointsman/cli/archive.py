"""The commands about archived runs: they work on Postgres and the blob store themselves, without the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from pointsman.adapters.blobs.archive import ObjectArchive
from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.journal import PostgresJournal
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.postgres.retention import PostgresRetention
from pointsman.adapters.postgres.runs import Runs
from pointsman.base.clock import SystemClock
from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Millis, RunId
from pointsman.cli.doctor import with_dev_servers
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.cli.progress import run_status
from pointsman.cli.report import moment
from pointsman.cli.sources import read_bytes
from pointsman.execute.archiving import Archivist
from pointsman.ports.retention import FIRST
from pointsman.protocol.archive import ArchivedBlob, ArchivedEvent, ArchivedRun, Line, read_archive
from pointsman.protocol.transition import decode_event
from pointsman.settings import Settings, load

_DAY_MS = 86_400_000
_PAGE = 500


def archive(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="The run's id.")] = None,
    older_than: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=0, help="In place of a run: all that ended so many days ago or earlier."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the run there, and not to the blob store.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Archive a run, whole: definitions, plans, events and large outputs, as JSON Lines. It stays in Postgres."""
    if (run is None) == (older_than is None) or (to is not None and run is None):
        raise typer.BadParameter("name either a run or --older-than; --to goes with a run.")
    told = asyncio.run(_archive(with_dev_servers(load("cli")), run, older_than or 0, to))
    shown = "\n".join(f"{each['run_id']} is in {each['name']}" for each in told)
    Output(as_json=as_json).result({"archived": told}, shown or "Nothing to do: no run ended so long ago.")


def archived(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="The id of an archived run.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="In place of a run: a file written by `archive`.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a run from the archive: how it ended, and each of its events. It need not be in Postgres any more."""
    if (run is None) == (file is None):
        raise typer.BadParameter("name either a run or --file.")
    data = read_bytes(file) if file is not None else asyncio.run(_fetched(load("cli"), RunId(run or "")))
    lines = list(read_archive(data.splitlines()))
    Output(as_json=as_json).result({"lines": msgspec.to_builtins(lines)}, _shown(lines))


async def _archive(settings: Settings, run: str | None, days: int, to: Path | None) -> list[dict[str, Any]]:
    async with _opened(settings) as (archivist, retention):
        if run is not None and to is not None:
            await archivist.write(RunId(run), to)
            return [{"run_id": run, "name": str(to)}]
        if run is not None:
            return [{"run_id": run, "name": await archivist.keep(RunId(run))}]
        before, after, told = Millis(SystemClock().now() - days * _DAY_MS), FIRST, []
        while found := await retention.expired(before, after, _PAGE):
            for each in found:
                told.append({"run_id": each.run_id, "name": await archivist.keep(RunId(each.run_id))})
            after = found[-1]
        return told


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Archivist, PostgresRetention]]:
    pool = await open_pool(settings.database_dsn, name="pointsman archive", size=1)
    try:
        async with pool.acquire() as connection:
            await check_schema(connection)
        url = settings.blob_store_url
        records = Runs(pool), PostgresJournal(pool), Documents(pool)
        yield Archivist(*records, open_blobs(url), ObjectArchive(url)), PostgresRetention(pool)
    finally:
        pool.terminate()


async def _fetched(settings: Settings, run: RunId) -> bytes:
    """The newest archived run of that id."""
    shelf = ObjectArchive(settings.blob_store_url)
    names = await shelf.find(run)
    if not names:
        told = f"there is no archived run {run} in {settings.blob_store_url}; nothing was read"
        raise PointsmanError("ARC003", f"{told}. Archive it with `pointsman archive {run}` while Postgres has it.")
    return await shelf.get(names[-1])


def _shown(lines: list[Line]) -> Group:
    (run,) = [line for line in lines if isinstance(line, ArchivedRun)]
    head = Text.assemble(f"{run.run_id} ", run_status(run.status), f"  {run.workflow}, revision {run.revision}")
    blobs = [line for line in lines if isinstance(line, ArchivedBlob)]
    missing = sum(blob.body is None for blob in blobs)
    tail = Text(f"{len(blobs)} large outputs" + (f", {missing} of them missing" if missing else ""))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("event", "at", "what", "status"):
        table.add_column(name)
    for row in _rows(lines):
        table.add_row(*row)
    return Group(head, table, tail)


def _rows(lines: list[Line]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        if isinstance(line, ArchivedEvent):
            change = decode_event(line.body.data)
            yield str(line.seq), moment(change.at), change.cause, change.status or ""
