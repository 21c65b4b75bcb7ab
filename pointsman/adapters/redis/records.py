"""Runs as Redis keeps them, read back: the five hashes of `load_run` make a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import msgspec

from pointsman.base.ids import Digest, EdgeId, FrameId, Millis, RunId, Tip, TokenId
from pointsman.protocol.output import Output, output_of
from pointsman.protocol.state import ErrorInfo, Fork, Frame, OpenToken, Resolution, Result, RunHead, Snapshot, Timer
from pointsman.protocol.version import PROTOCOL

T = TypeVar("T")
Hash = list[bytes]
"""Fields and values, one after the other."""

_TOKEN: Final = msgspec.json.Decoder(OpenToken).decode
_RESULT: Final = msgspec.json.Decoder(Result).decode
_FRAME: Final = msgspec.json.Decoder(Frame).decode
_ERROR: Final = msgspec.json.Decoder(ErrorInfo).decode
_TIMER: Final = msgspec.json.Decoder(Timer).decode
_FORK: Final = msgspec.json.Decoder(Fork).decode
_HOW: Final[dict[str, Resolution]] = {"l": "live", "d": "dead", "f": "failed"}


def read_snapshot(run: RunId, head: Hash, tokens: Hash, joins: Hash, context: Hash, frames: Hash) -> Snapshot:
    """The snapshot that these hashes of a run hold; of one that a newer release has started, its own fields alone."""
    known = _head(run, dict(pairs(head)))
    if known.protocol > PROTOCOL:
        return Snapshot(known)
    return Snapshot(
        known,
        {TokenId(name.decode()): read_token(record) for name, record in pairs(tokens)},
        {TokenId(name.decode()): _RESULT(record) for name, record in pairs(context)},
        _joins(joins),
        {FrameId(name.decode()): _FRAME(record) for name, record in pairs(frames)},
    )


def read_token(record: bytes) -> OpenToken:
    """An open token out of its record, behind the id of its task's entry."""
    return _TOKEN(record[record.index(b" ") + 1 :])


def pairs(flat: Iterable[T]) -> Iterator[tuple[T, T]]:
    """The fields of a hash, or of another answer that lists them so, each with its value."""
    values = iter(flat)
    return zip(values, values, strict=True)


def _joins(flat: Hash) -> dict[TokenId, dict[EdgeId, Resolution]]:
    """Tallies, each in the order in which its edges resolved; the fields without a number only count them."""
    found: dict[TokenId, list[tuple[int, str]]] = {}
    for name, value in pairs(flat):
        token, _, number = name.decode().partition(" ")
        if number:
            found.setdefault(TokenId(token), []).append((int(number), value.decode()))
    return {token: _resolutions(value for _, value in sorted(numbered)) for token, numbered in found.items()}


def _resolutions(values: Iterable[str]) -> dict[EdgeId, Resolution]:
    return {EdgeId(value[1:]): _HOW[value[0]] for value in values}


def _head(run: RunId, told: dict[bytes, bytes]) -> RunHead:
    error, timer, metadata = told.get(b"error"), told.get(b"timer"), told.get(b"metadata")
    ended_at, forked = told.get(b"ended_at"), told.get(b"forked")
    status: Any = told[b"status"].decode()
    return RunHead(
        run,
        told[b"workflow"].decode(),
        Digest(told[b"plan"].decode()),
        Digest(told[b"definition"].decode()),
        told[b"engine"].decode(),
        Millis(int(told[b"created_at"])),
        status,
        int(told[b"revision"]),
        int(told[b"seq"]),
        Tip(told[b"tip"].decode()),
        int(told[b"tokens_made"]),
        int(told.get(b"passes_made", 0)),
        b"failed" in told,
        _output(told, "input"),
        _output(told, "output"),
        None if error is None else _ERROR(error),
        None if timer is None else _TIMER(timer),
        None if ended_at is None else Millis(int(ended_at)),
        None if metadata is None else msgspec.json.decode(metadata),
        None if forked is None else _FORK(forked),
        int(told.get(b"protocol", 1)),
    )


def _output(told: dict[bytes, bytes], name: str) -> Output:
    ref = told.get(f"{name}_ref".encode())
    return output_of(told.get(name.encode(), b""), None if ref is None else ref.decode())
