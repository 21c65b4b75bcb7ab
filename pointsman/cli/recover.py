"""`pointsman recover`: have open runs restored to Redis from the journal, or see how far that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import RequestRefused
from pointsman.cli.doctor import with_dev_servers
from pointsman.cli.exits import ExitCode
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.execute.recovery import Recovery, write_down
from pointsman.metrics import Metrics
from pointsman.ports.recovery import Opening
from pointsman.settings import Settings, load

if TYPE_CHECKING:
    from pointsman.adapters.postgres.connect import Pool

_LOOK_S: Final = 0.2
_REASONS: Final = {
    "first_opening": "nobody had opened it before",
    "state_lost": "it had lost its state",
    "older_state": "it had come back with older state",
    "server_restarted": "it had been started again",
    "asked_for": "that was asked for",
}


def recover(
    rebuild_all: Annotated[
        bool,
        typer.Option(
            "--rebuild-all",
            help="Rebuild every open run though nothing is lost: each task that is out goes out once more.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have every open run restored to Redis from the journal, and watch it; refused where nothing is lost.

    A supervisor does so by itself. Where one runs, this shows how far it is; where none does, this does its work.
    """
    output = Output(as_json=as_json)
    opening = asyncio.run(_recover(with_dev_servers(load("cli")), output, rebuild_all=rebuild_all))
    output.result(_document(opening), _told(opening))
    if opening.failed:
        raise typer.Exit(ExitCode.FAILED)


class _Place(NamedTuple):
    """Everything a recovery works with."""

    recovery: Recovery
    record: PostgresOpenRuns
    source: RedisEventSource
    writer: LeasedWriter


async def _recover(settings: Settings, output: Output, *, rebuild_all: bool) -> Opening:
    progress = _Progress(output)
    async with _place(settings, progress) as place:
        newest = await place.record.newest()
        after = newest.epoch if newest is not None else 0
        if await place.recovery.is_open():
            if not rebuild_all:
                raise RequestRefused(
                    "SRV064",
                    "Redis is open and has lost nothing; nothing was done. `--rebuild-all` rebuilds every open run all "
                    "the same, from the journal, and hands out once more whatever is out.",
                )
            after = await place.recovery.ask()
        elif newest is not None and newest.opened_at is None:
            after -= 1
        try:
            return await _done(place, progress, after, settings.supervisor.journal_batch)
        finally:
            await place.writer.release()


async def _done(place: _Place, progress: _Progress, after: int, batch: int) -> Opening:
    """Wait for whoever has the lease to open Redis in a later epoch than `after`; do it here once nobody has."""
    while True:
        newest = await place.record.newest()
        if newest is not None and newest.epoch > after:
            progress(newest)
            if newest.opened_at is not None:
                return newest
        if await place.writer.acquire() and not await place.recovery.is_open():
            return await place.recovery.open(
                lambda: write_down(place.source, place.writer, batch), place.writer.acquire
            )
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _place(settings: Settings, progress: _Progress) -> AsyncIterator[_Place]:
    async with AsyncExitStack() as stack:
        partition = await Partition.open(settings.redis_dsn)
        stack.push_async_callback(partition.aclose)
        pool: Pool = await open_pool(settings.database_dsn, name="pointsman recover", size=4)
        stack.callback(pool.terminate)
        async with pool.acquire() as connection:
            await check_schema(connection)
        record, documents = PostgresOpenRuns(pool), Documents(pool)
        recovery = Recovery(
            RedisRecovery(partition),
            record,
            documents,
            open_blobs(settings.blob_store_url),
            Crasher(settings.crash_at),
            inline_limit=settings.coordinator.inline_limit_bytes,
            told=progress,
        )
        source = RedisEventSource(partition)
        stack.push_async_callback(source.aclose)
        writer = LeasedWriter(WriterSession(settings.database_dsn, settings.supervisor.lease_ttl_ms), 0, Metrics())
        yield _Place(recovery, record, source, writer)


class _Progress:
    """Says how far a recovery has come, whenever that has changed."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = ""

    def __call__(self, opening: Opening) -> None:
        """Take note of how far it has come."""
        line = f"epoch {opening.epoch}: {opening.checked:,} open runs compared, {opening.restored:,} restored"
        if line != self._last:
            self._last = line
            self._output.say(line)


def _document(opening: Opening) -> dict[str, Any]:
    told = opening._asdict()
    return {**told, "ms": (opening.opened_at or opening.began_at) - opening.began_at}


def _told(opening: Opening) -> str:
    seconds = ((opening.opened_at or opening.began_at) - opening.began_at) / 1_000
    lines = [
        f"Redis takes changes again, in epoch {opening.epoch}; {_REASONS.get(opening.reason, opening.reason)}.",
        f"Of {opening.checked:,} open runs {opening.restored:,} were restored in {seconds:.1f} s; "
        f"{opening.dropped:,} that had ended were dropped.",
    ]
    if opening.failed:
        lines.append(f"{opening.failed:,} could not be restored: look for `run_not_recovered` in the log.")
    return "\n".join(lines)
