"""A run as a file: JSON Lines that hold all of it, and need no database to be read again.

The first line is the run; then come its events in order, each definition and plan before the first event that names it,
then the blobs that they refer to, and a last line that counts the others: a file without it is cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from pointsman.base.errors import PointsmanError
from pointsman.base.ids import Digest, Millis, RunId, Tip
from pointsman.protocol.state import ErrorInfo, RunStatus

FORMAT: Final = 1
"""Raised when a reader of today could no longer read what is written."""
_BLOB: Final = re.compile(rb"blob://[0-9a-f]{64}")


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bytes, exactly: as text where they are UTF-8, else in base64."""

    text: str | None = None
    base64: bytes | None = None

    @classmethod
    def of(cls, data: bytes) -> Content:
        """The content that is these bytes."""
        try:
            return cls(text=data.decode())
        except UnicodeDecodeError:
            return cls(base64=data)

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.text.encode() if self.text is not None else self.base64 or b""


class ArchivedRun(msgspec.Struct, frozen=True, tag="run", tag_field="kind"):
    """The first line: which run it is, and how it ended. Its input and output are in its events."""

    run_id: RunId
    workflow: str
    version: int | None
    tag: str | None
    status: RunStatus
    revision: int
    seq: int
    engine: str
    definition: Digest
    plan: Digest
    error: ErrorInfo | None
    metadata: Any
    created_at: Millis
    started_at: Millis | None
    ended_at: Millis | None
    format: int = FORMAT


class ArchivedDocument(msgspec.Struct, frozen=True, tag="document", tag_field="kind"):
    """A definition or a plan that the run had at some revision, under the digest that names it."""

    digest: Digest
    body: Content


class ArchivedEvent(msgspec.Struct, frozen=True, tag="event", tag_field="kind"):
    """One event of the journal: `body` is the encoded transition."""

    epoch: int
    seq: int
    tip: Tip
    body: Content


class ArchivedBlob(msgspec.Struct, frozen=True, tag="blob", tag_field="kind"):
    """A large output that the events refer to; without `body` where the blob store had none of that name."""

    ref: str
    body: Content | None


class End(msgspec.Struct, frozen=True, tag="end", tag_field="kind"):
    """The last line: how many there are before it."""

    lines: int


Line: TypeAlias = ArchivedRun | ArchivedDocument | ArchivedEvent | ArchivedBlob | End
_DECODER: Final = msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """A line, with its end."""
    return msgspec.json.encode(line) + b"\n"


def read_archive(lines: Iterable[bytes]) -> Iterator[Line]:
    """The lines of an archive, one by one, without the last.

    Raises:
        PointsmanError: ARC001 a line is none of an archive of this format; ARC002 it is cut short. What came before
            has been given by then.
    """
    count = 0
    for text in lines:
        try:
            line = _DECODER.decode(text)
        except msgspec.DecodeError as wrong:
            told = f"line {count + 1} is none of an archived run: {wrong}. What stands before it was read."
            raise PointsmanError("ARC001", f"{told} Read it with the release that wrote it.") from None
        if isinstance(line, End):
            if line.lines == count:
                return
            break
        yield line
        count += 1
    raise PointsmanError(
        "ARC002", f"the archive is cut short after {count} lines. What stands before was read. Archive the run again."
    )


def blobs_in(body: bytes) -> set[str]:
    """The references to blobs in an encoded event; what a worker wrote may look like one, too."""
    return {found.decode() for found in _BLOB.findall(body)}
