"""`pointsman doctor`: whether this machine, its settings and its servers are as Pointsman needs them."""

from __future__ import annotations

import asyncio
import platform
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, Literal, NamedTuple

import typer
from pydantic import SecretStr
from rich.table import Table
from rich.text import Text

from pointsman.adapters.blobs.store import open_blobs
from pointsman.adapters.postgres.connect import close, connect, not_durable
from pointsman.adapters.postgres.layout import PostgresLayout
from pointsman.adapters.postgres.migrate import check_schema, known_migrations
from pointsman.adapters.redis.partition import Partition
from pointsman.adapters.redis.partitions import Partitions
from pointsman.adapters.redis.recovery import RedisRecovery
from pointsman.adapters.redis.remains import is_in_use
from pointsman.base.errors import PointsmanError, ServerUnavailable, SettingsError
from pointsman.cli.exits import ExitCode
from pointsman.cli.facts import read_facts
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output
from pointsman.execute.layout import other_layout
from pointsman.expr import engine
from pointsman.ports.recovery import Fence
from pointsman.settings import Settings, load

_STYLES: Final = {"ok": ("✔", "green"), "warning": ("!", "bold yellow"), "failed": ("✘", "bold red")}
_MIB: Final = 1 << 20
_LITTLE_DISK: Final = 1_024 * _MIB
_NO_DISK: Final = 64 * _MIB
_RISKS: Final = {
    "fsync": "fsync is off: the journal loses what it has committed if the machine goes down",
    "full_page_writes": "full_page_writes is off: a machine that goes down may leave the database torn",
}
"""Settings of Postgres that no connection can make up for, as each does for `synchronous_commit`."""


class Finding(NamedTuple):
    """What one check found."""

    check: str
    status: Literal["ok", "warning", "failed"]
    detail: str


Check = Callable[[Settings], Awaitable[Finding]]


def doctor(as_json: AsJson = False) -> None:
    """Check this machine, the settings and the servers they name: without any, those of `pointsman dev`."""
    findings = asyncio.run(_examine())
    output = Output(as_json=as_json)
    healthy = all(finding.status != "failed" for finding in findings)
    output.result({"healthy": healthy, "checks": [finding._asdict() for finding in findings]}, _table(findings))
    if not healthy:
        raise typer.Exit(ExitCode.FAILED)


async def _examine() -> list[Finding]:
    python = Finding("python", "ok", f"{platform.python_implementation()} {platform.python_version()}")
    try:
        settings = with_dev_servers(load("cli"))
    except SettingsError as error:
        return [python, Finding("settings", "failed", str(error))]
    checks: dict[str, Check] = {
        "redis": _redis,
        "postgres": _postgres,
        "partitions": _partitions,
        "cel": _cel,
        "blobs": _blobs,
        "disk": _disk,
    }
    found = await asyncio.gather(*(_checked(name, check, settings) for name, check in checks.items()))
    return [python, Finding("settings", "ok", "no contradiction found"), *found]


def with_dev_servers(settings: Settings) -> Settings:
    """The settings, with the servers of `pointsman dev` where they name none themselves."""
    facts = read_facts(settings.data_dir)
    if settings.model_fields_set & {"redis_url", "redis_host", "redis_port", "database_url"} or facts is None:
        return settings
    partitions = settings.partitions if "partitions" in settings.model_fields_set else facts.partitions
    servers = {"redis_url": SecretStr(facts.redis_url), "database_url": SecretStr(facts.postgres_dsn)}
    return settings.model_copy(update={**servers, "partitions": partitions})


async def _checked(name: str, check: Check, settings: Settings) -> Finding:
    try:
        return await check(settings)
    except PointsmanError as error:
        return Finding(name, "failed", str(error))


async def _redis(settings: Settings) -> Finding:
    async with aclosing(await Partitions.connected(settings.redis_dsn, settings.partitions)) as partitions:
        warnings = await partitions.check()
        info = bytes(await partitions.public.ask("INFO", "server")).decode()
        first = partitions.all[0]
        epoch = await first.connection.ask("GET", first.keys.epoch)
        places = ", ".join(sorted({str(partition.connection.address) for partition in partitions.all}))
    version = next(line.partition(":")[2] for line in info.splitlines() if line.startswith("redis_version:"))
    age = f"epoch {epoch.decode()}" if epoch else "nothing of ours in it yet"
    told = f"{version} at {places}, no eviction{f', {age}' if settings.partitions == 1 else ''}"
    return Finding("redis", "warning", "; ".join(warnings)) if warnings else Finding("redis", "ok", f"{told}, AOF on")


async def _partitions(settings: Settings) -> Finding:
    """Whether their number is the one that counts, and which of them take no changes."""
    connection = await connect(settings.database_dsn, name="pointsman doctor")
    try:
        await check_schema(connection)
        counts = await PostgresLayout(connection).partitions()
    finally:
        await close(connection)
    if counts is None:
        return Finding("partitions", "ok", f"{settings.partitions}, and no supervisor has opened any yet")
    if counts != settings.partitions:
        if await is_in_use(settings.redis_dsn, counts):
            raise other_layout(settings.partitions, counts)
        told = f"there were {counts}, of which Redis holds nothing: the next supervisor opens {settings.partitions}"
        return Finding("partitions", "warning", told)
    async with aclosing(await Partitions.connected(settings.redis_dsn, counts)) as partitions:
        fences = await asyncio.gather(*(_fence(partition) for partition in partitions.all))
    if away := {str(number): fence for number, fence in enumerate(fences) if isinstance(fence, ServerUnavailable)}:
        told = f"of {counts} these cannot be asked: {', '.join(away)}. {next(iter(away.values()))}"
        return Finding("partitions", "failed", told)
    closed = [str(number) for number, fence in enumerate(fences) if isinstance(fence, Fence) and not fence.is_open]
    if not closed:
        return Finding("partitions", "ok", f"{counts}, open")
    told = f"of {counts} these take no change until a supervisor has recovered them: {', '.join(closed)}"
    return Finding("partitions", "warning", f"{told}. `pointsman recover` shows how far that is")


async def _fence(partition: Partition) -> Fence | ServerUnavailable:
    """Whether changes pass in a partition, or why that is not known."""
    try:
        return await RedisRecovery(partition).look()
    except ServerUnavailable as away:
        return away


async def _postgres(settings: Settings) -> Finding:
    connection = await connect(settings.database_dsn, name="pointsman doctor")
    try:
        version = connection.get_server_version()
        await check_schema(connection)
        risks = [_RISKS[name] for name in await not_durable(connection)]
    finally:
        await close(connection)
    told = f"{version.major}.{version.minor}, {len(known_migrations())} migrations applied"
    return Finding("postgres", "warning" if risks else "ok", "; ".join([told, *risks]))


async def _cel(settings: Settings) -> Finding:
    chosen = None if settings.cel_engine == "auto" else settings.cel_engine
    return Finding("cel", "ok", engine(chosen).name)


async def _blobs(settings: Settings) -> Finding:
    probe, store = b"pointsman doctor was here", open_blobs(settings.blob_store_url)
    await store.get(await store.put(probe))
    return Finding("blobs", "ok", f"{settings.blob_store_url} can be written and read")


async def _disk(settings: Settings) -> Finding:
    place = settings.data_dir.absolute()
    existing = next(path for path in (place, *place.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    told = f"{free // _MIB:,} MiB free at {place}"
    if free < _NO_DISK:
        raise ServerUnavailable("SRV023", f"{told}, too little for any server to start. Free some space.")
    return Finding("disk", "ok" if free > _LITTLE_DISK else "warning", told)


def _table(findings: list[Finding]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in findings:
        glyph, style = _STYLES[finding.status]
        table.add_row(Text(glyph, style), Text(finding.check, "bold"), Text(finding.detail))
    return table
