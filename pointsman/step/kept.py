"""How a run's history is kept: one field a token, so that what a pass leaves behind is found without a search.

A token that took signals has a result or is open when its frame ends. So what is to be removed then is named by the
transition itself (`forgotten` and `closed`), whatever the length of the history. A pass leaves one record, under the id
that the node closing the loop has in the frame around it: the next pass overwrites it there, and when that frame ends
it goes by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from pointsman.base.ids import (
    FrameId,
    Millis,
    RunId,
    TokenId,
    is_within,
    parent_frame,
    pass_frame,
    split_pass,
    split_token,
    token_id,
)
from pointsman.protocol.history import EndedPass, HistoryRecord
from pointsman.protocol.note import Note
from pointsman.protocol.signal import Completed, Failed, Redrive, Signal, Skip, TaskLost, TimerFired, WorkerLost
from pointsman.protocol.transition import Transition

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Signal | EndedPass)
_OF_RUN: Final = "#"
"""Begins the fields of signals that are about no token; no token begins so."""


def record_of(change: Transition) -> tuple[str, bytes] | None:
    """The field and the line that keep the signal of a transition; None for commands without one, and ended frames."""
    signal = change.signal
    if signal is None:
        return None
    token = token_of(signal, change)
    if token is None:
        return f"{_OF_RUN}{change.seq}", _written(change.seq, change.at, signal)
    if change.frames_ended and split_token(token)[0] in change.frames_ended:
        return None
    return token, _written(change.seq, change.at, signal)


def replaced_by(change: Transition) -> list[TokenId]:
    """The fields that go because their frame ended, or because an edit closed their token."""
    ended = set(change.frames_ended)
    gone = [token for token in (*change.forgotten, *change.closed) if split_token(token)[0] in ended]
    return [*gone, *change.erased]


def passes_of(change: Transition) -> list[tuple[TokenId, bytes]]:
    """What remains of the frames that ended: a field and a line for each that lay in a frame still open."""
    outermost = [frame for frame in change.frames_ended if not _is_inside(frame, change.frames_ended)]
    found = [_remains(change, frame) for frame in outermost]
    return [(token, line) for token, line in found if token not in change.erased]


def lines_of_fork(change: Transition) -> list[tuple[str, bytes]]:
    """The history that a fork begins with: fields, each with its lines."""
    lines: dict[str, list[bytes]] = {}
    for record in change.kept:
        field = record.token if record.token is not None else f"{_OF_RUN}{record.seq}"
        lines.setdefault(field, []).append(_written(record.seq, record.at, record.fact))
    return [(field, b"\n".join(found)) for field, found in lines.items()]


def keep(history: dict[str, bytes], change: Transition) -> None:
    """Move what is kept of a run on by a transition, in place."""
    for token in replaced_by(change):
        history.pop(token, None)
    history.update(passes_of(change))
    history.update(lines_of_fork(change))
    record = record_of(change)
    if record is not None:
        field, line = record
        before = history.get(field)
        history[field] = line if before is None else before + b"\n" + line


def read_history(run: RunId, fields: Mapping[str, bytes]) -> list[HistoryRecord]:
    """The records of a run, in order."""
    records = [_read(run, field, line) for field, lines in fields.items() for line in lines.split(b"\n")]
    return sorted(records, key=lambda record: record.seq)


def token_of(signal: Signal, change: Transition) -> TokenId | None:
    """The token that the signal of a transition counted for; None for signals to the whole run."""
    match signal:
        case Completed() | Failed():
            return signal.token or _only_token_of(signal.node, change)
        case WorkerLost() | TaskLost() | Redrive() | Skip():
            return signal.token
        case TimerFired():
            return TokenId(signal.timer.partition(":")[2]) or None
        case _:
            return None


def _only_token_of(node: str | None, change: Transition) -> TokenId | None:
    """The token of a signal without a job id: the transition closed or changed it."""
    for token in (*change.closed, *change.opened):
        if split_token(token)[1] == node:
            return token
    return None


def _written(seq: int, at: Millis, fact: Signal | EndedPass) -> bytes:
    """`<seq> <at> <attempt>` for a completion that says nothing else; else the fact in place of the attempt."""
    if isinstance(fact, Completed) and fact.token is not None and fact.metadata is None:
        return b"%d %d %d" % (seq, at, fact.attempt)
    return b"%d %d %b" % (seq, at, _ENCODER.encode(fact))


def _remains(change: Transition, frame: FrameId) -> tuple[TokenId, bytes]:
    """Of the passes of a loop that ended by one transition, the last stands for all."""
    (loop, iteration), parent = split_pass(frame), parent_frame(frame)
    token = token_id(parent, loop)
    begun = [iteration, *(note.detail for note in change.notes if _is_start(note, token))]
    last = begun[-1] - 1 if pass_frame(parent, loop, begun[-1]) in change.frames else begun[-1]
    ended = EndedPass(pass_frame(parent, loop, last), tuple(_told_of(change, token, last)))
    return token, _written(change.seq, change.at, ended)


def _told_of(change: Transition, loop: TokenId, iteration: int) -> Iterator[Note]:
    """What was told of a pass, and of its loop: but not that other passes began than the one after it."""
    frame = pass_frame(split_token(loop)[0], split_token(loop)[1], iteration)
    for note in change.notes:
        is_of_loop = token_id(note.frame, note.node) == loop
        if note.frame == frame or (is_of_loop and (not _is_start(note, loop) or note.detail == iteration + 1)):
            yield note


def _is_start(note: Note, loop: TokenId) -> bool:
    return note.kind == "pass_started" and token_id(note.frame, note.node) == loop


def _is_inside(frame: FrameId, ended: Iterable[FrameId]) -> bool:
    return any(other != frame and is_within(frame, other) for other in ended)


def _read(run: RunId, field: str, line: bytes) -> HistoryRecord:
    seq, at, told = line.split(b" ", 2)
    token = None if field.startswith(_OF_RUN) else TokenId(field)
    fact = _DECODER.decode(told) if told.startswith(b"{") else Completed(run, token, int(told))
    return HistoryRecord(int(seq), Millis(int(at)), token, fact)
