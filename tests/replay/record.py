"""`python -m tests.replay.record`: records the scenarios of which there is no recording yet.

What is recorded stays as it is: a later release has to read what an earlier one wrote. Whoever changes what events hold
records the scenarios again under other names.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pointsman.adapters.blobs.archive import ObjectArchive
from pointsman.adapters.postgres.migrate import migrate
from pointsman.base.ids import RunId
from pointsman.embedded.postgres import EmbeddedPostgres
from pointsman.embedded.redis import EmbeddedRedis
from pointsman.execute.archiving import Archivist
from pointsman.protocol.transition import decode_event
from pointsman.step.kept import read_history
from pointsman.step.past import Past
from tests.api.room import Room, journalled, room_on, settings_of
from tests.replay.recording import DIRECTORY, Ending
from tests.replay.scenarios import SCENARIOS, Scenario
from tests.support.servers import open_fence


async def record(room: Room, name: str, scenario: Scenario) -> None:
    """Record one scenario."""
    run, records = RunId(await scenario(room)), room.services.records
    await room.dump()  # the journal has all of it then
    archive = ObjectArchive(DIRECTORY.as_uri())
    archivist = Archivist(records.runs, records.journal, records.documents, room.services.blobs, archive)
    await archivist.write(run, DIRECTORY / f"{name}.jsonl")
    past = Past()
    for event in await records.journal.events(run, 0, 10_000):
        assert past.take(decode_event(event.body), event.tip)
    assert past.run is not None
    ending = Ending(past.run, read_history(run, past.history))
    (DIRECTORY / f"{name}.end.json").write_bytes(msgspec.json.encode(ending, order="deterministic") + b"\n")


async def record_all(redis: str, postgres: str, data_dir: Path) -> None:
    """Record what was not recorded yet."""
    await migrate(postgres)
    for name, scenario in SCENARIOS.items():
        if not (DIRECTORY / f"{name}.jsonl").exists():
            async with room_on(settings_of(postgres, redis, data_dir)) as room, journalled(room):
                await record(room, name, scenario)
            print(f"recorded {name}")


def main() -> None:
    """Record on servers of our own."""
    with (
        TemporaryDirectory() as redis_dir,
        TemporaryDirectory() as postgres_dir,
        TemporaryDirectory() as data_dir,
        EmbeddedRedis(Path(redis_dir)) as redis,
        EmbeddedPostgres(Path(postgres_dir), fsync=False) as postgres,
    ):
        open_fence(redis.url)
        asyncio.run(record_all(redis.url, postgres.dsn, Path(data_dir)))


if __name__ == "__main__":
    main()
