"""Recorded histories: an archived run, and beside it the state that its events led to when it was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from pointsman.base.ids import Digest
from pointsman.protocol.archive import ArchivedBlob, ArchivedDocument, ArchivedEvent, ArchivedRun, read_archive
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.state import Snapshot

DIRECTORY: Final = Path(__file__).parent
SCHEMA: Final = 1
"""Of what stands beside an archive, which tells its own format. Raised with what it holds; old ones are read still."""


class Ending(msgspec.Struct, frozen=True):
    """Where the events of a recording led when it was made."""

    run: Snapshot
    history: list[HistoryRecord]
    schema: int = SCHEMA


class Recording(NamedTuple):
    """One recorded run."""

    run: ArchivedRun
    events: list[ArchivedEvent]
    documents: dict[Digest, bytes]
    blobs: dict[str, bytes]
    ending: Ending


def names() -> list[str]:
    """Every recording there is."""
    return sorted(path.stem for path in DIRECTORY.glob("*.jsonl"))


def recording(name: str) -> Recording:
    """One of them."""
    lines = list(read_archive((DIRECTORY / f"{name}.jsonl").read_bytes().splitlines()))
    (run,) = (line for line in lines if isinstance(line, ArchivedRun))
    return Recording(
        run,
        [line for line in lines if isinstance(line, ArchivedEvent)],
        {line.digest: line.body.data for line in lines if isinstance(line, ArchivedDocument)},
        {line.ref: line.body.data for line in lines if isinstance(line, ArchivedBlob) and line.body is not None},
        msgspec.json.decode((DIRECTORY / f"{name}.end.json").read_bytes(), type=Ending),
    )
