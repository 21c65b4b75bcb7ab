"""History: what the editor replays to learn what a run's past would have been on another plan (SEMANTICS §8)."""

from __future__ import annotations

import msgspec

from pointsman.base.ids import FrameId, Millis, TokenId
from pointsman.protocol.note import Note
from pointsman.protocol.signal import Signal


class EndedPass(msgspec.Struct, frozen=True, tag="pass_ended", omit_defaults=True):
    """What remains of a pass that ended: that it did, and what was told of it; its results are in the frame around."""

    frame: FrameId
    notes: tuple[Note, ...] = ()


class HistoryRecord(msgspec.Struct, frozen=True):
    """One fact as the editor replays it: a signal that was taken (its output is in the snapshot's results), or a pass.

    Of each loop in an open frame only the last pass that ended is kept, as a whole; what happened inside it is not.
    """

    seq: int
    """Of the event; 0 and below where it was one of the run that this one was forked from."""
    at: Millis
    token: TokenId | None
    """The token a signal counted for, or under whose id the loop's node shows in the frame around the pass.

    None for signals to the whole run.
    """
    fact: Signal | EndedPass
