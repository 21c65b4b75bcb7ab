"""`pointsman recover`: have open runs restored to Redis from the journal, or see how far that is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import open_pool
from pointsman.adapters.postgres.documents import Documents
from pointsman.adapters.postgres.layout import PostgresLayout
from pointsman.adapters.postgres.leased_writer import LeasedWriter, WriterSession
from pointsman.adapters.postgres.migrate import check_schema
from pointsman.adapters.postgres.recovery import PostgresOpenRuns
from pointsman.adapters.redis.event_source import RedisEventSource
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.remains import is_in_use
from pointsman.base.crashpoints import Crasher
from pointsman.base.errors import RequestRefused, ServerUnavailable
from pointsman.cli.doctor import with_dev_servers
from pointsman.cli.exits import ExitCode
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.execute.layout import settle
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
    settings = with_dev_servers(load("cli"))
    openings, away = asyncio.run(_recover(settings, output, rebuild_all=rebuild_all))
    output.result(_document(openings, settings.partitions), _told(openings, settings.partitions))
    if away or any(opening.failed for opening in openings.values()):
        raise typer.Exit(ExitCode.FAILED)


Openings = Mapping[int, Opening]
"""By the number of the partition, those that were recovered."""


class _Place(NamedTuple):
    """Everything that a recovery of one partition works with."""

    recovery: Recovery
    record: PostgresOpenRuns
    source: RedisEventSource
    writer: LeasedWriter
    progress: _Progress
    is_the_only_one: bool


async def _recover(settings: Settings, output: Output, *, rebuild_all: bool) -> tuple[Openings, list[int]]:
    """What was recovered, and the partitions whose servers are away: they keep no other from being recovered."""
    async with _places(settings, output) as places:
        is_open = {number: await _is_open(place, number, output) for number, place in enumerate(places)}
        away = [number for number, answer in is_open.items() if answer is None]
        closed = [number for number, answer in is_open.items() if answer is False]
        if not closed and not rebuild_all and not away:
            raise RequestRefused(
                "SRV064",
                "Redis is open and has lost nothing; nothing was done. `--rebuild-all` rebuilds every open run all "
                "the same, from the journal, and hands out once more whatever is out.",
            )
        wanted = [number for number in is_open if number not in away] if rebuild_all else closed
        batch = settings.supervisor.journal_batch
        # One after the other: a partition that is asked for is closed for no longer than it takes.
        return {number: await _recovered(places[number], batch) for number in wanted}, away


async def _is_open(place: _Place, number: int, output: Output) -> bool | None:
    """Whether a partition takes changes; None where its server is away. Raises where there is no other."""
    try:
        return await place.recovery.is_open()
    except ServerUnavailable as away:
        if place.is_the_only_one:
            raise
        output.say(f"partition {number} cannot be asked: {away}")
        return None


async def _recovered(place: _Place, batch: int) -> Opening:
    """Have one partition recovered, also where it is open."""
    newest = await place.record.newest()
    after = newest.epoch if newest is not None else 0
    if await place.recovery.is_open():
        after = await place.recovery.ask()
    elif newest is not None and newest.opened_at is None:
        after -= 1
    try:
        return await _done(place, after, batch)
    finally:
        await place.writer.release()


async def _done(place: _Place, after: int, batch: int) -> Opening:
    """Wait for whoever has the lease to open Redis in a later epoch than `after`; do it here once nobody has."""
    while True:
        newest = await place.record.newest()
        if newest is not None and newest.epoch > after:
            place.progress(newest)
            if newest.opened_at is not None:
                return newest
        if await place.writer.acquire() and not await place.recovery.is_open():
            return await place.recovery.open(
                lambda: write_down(place.source, place.writer, batch), place.writer.acquire
            )
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _places(settings: Settings, output: Output) -> AsyncIterator[list[_Place]]:
    async with AsyncExitStack() as stack:
        partitions = await stack.enter_async_context(
            aclosing(await Partitions.open(settings.redis_dsn, settings.partitions))
        )
        pool: Pool = await open_pool(settings.database_dsn, name="pointsman recover", size=4)
        stack.callback(pool.terminate)
        async with pool.acquire() as connection:
            await check_schema(connection)
        await settle(PostgresLayout(pool), settings.partitions, partial(is_in_use, settings.redis_dsn))
        session = WriterSession(settings.database_dsn, settings.supervisor.lease_ttl_ms)
        places = []
        for partition in partitions.all:
            source = await stack.enter_async_context(aclosing(RedisEventSource(partition)))
            places.append(_place(settings, partition, len(partitions.all), pool, source, session, output))
        yield places


def _place(
    settings: Settings,
    partition: Partition,
    of: int,
    pool: Pool,
    source: RedisEventSource,
    session: WriterSession,
    output: Output,
) -> _Place:
    progress = _Progress(output, f"partition {partition.number}, " if of > 1 else "")
    record = PostgresOpenRuns(pool, partition.number, of)
    recovery = Recovery(
        RedisRecovery(partition),
        record,
        Documents(pool),
        open_blobs(settings.blob_store_url),
        Crasher(settings.crash_at),
        inline_limit=settings.coordinator.inline_limit_bytes,
        told=progress,
    )
    return _Place(recovery, record, source, LeasedWriter(session, partition.number, Metrics()), progress, of == 1)


class _Progress:
    """Says how far a recovery has come, whenever that has changed."""

    def __init__(self, output: Output, what: str) -> None:
        self._output = output
        self._what = what
        self._last = ""

    def __call__(self, opening: Opening) -> None:
        """Take note of how far it has come."""
        told = f"{opening.checked:,} open runs compared, {opening.restored:,} restored"
        line = f"{self._what}epoch {opening.epoch}: {told}"
        if line != self._last:
            self._last = line
            self._output.say(line)


def _document(openings: Openings, of: int) -> dict[str, Any]:
    """What was done; where there are several partitions, in each of them."""
    documents = [{"partition": number, **opening._asdict(), "ms": _ms(opening)} for number, opening in openings.items()]
    if of == 1:
        (document,) = documents
        del document["partition"]
        return document
    counts = ("checked", "restored", "dropped", "failed")
    return {**{name: sum(document[name] for document in documents) for name in counts}, "partitions": documents}


def _told(openings: Openings, of: int) -> str:
    told = list(openings.values())
    if not told:
        return "No partition was recovered: those that can be asked are open, and have lost nothing."
    checked, restored, dropped, failed = (
        sum(counts) for counts in zip(*((o.checked, o.restored, o.dropped, o.failed) for o in told), strict=True)
    )
    seconds = sum(map(_ms, told)) / 1_000
    lines = [
        _opened(openings, of),
        f"Of {checked:,} open runs {restored:,} were restored in {seconds:.1f} s; {dropped:,} that had ended were "
        "dropped.",
    ]
    if failed:
        lines.append(f"{failed:,} could not be restored: look for `run_not_recovered` in the log.")
    return "\n".join(lines)


def _opened(openings: Openings, of: int) -> str:
    if of == 1:
        opening = openings[0]
        reason = _REASONS.get(opening.reason, opening.reason)
        return f"Redis takes changes again, in epoch {opening.epoch}; {reason}."
    which = ", ".join(map(str, openings)) if len(openings) < of else f"all {of}"
    return f"Redis takes changes again in these partitions: {which}."


def _ms(opening: Opening) -> int:
    return (opening.opened_at or opening.began_at) - opening.began_at
