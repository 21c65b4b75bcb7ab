"""Named places where a process can be made to die, so that tests can prove that dying there loses nothing.

A point is armed by the setting `POINTSMAN_CRASH_AT=<name>[:<n>]`: the process kills itself with SIGKILL when it reaches
the point for the n-th time. Unarmed, a point costs one attribute test.
"""

from __future__ import annotations

import os
import signal
from typing import Final, Literal, get_args

CrashPoint = Literal[
    "after_read",
    "before_apply",
    "after_apply_before_reply",
    "between_journal_and_ack",
    "between_accept_and_start",
    "between_final_row_and_cleanup",
    "between_patch_and_answer",
    "between_edit_and_item",
    "between_restore_and_open",
    "between_letter_and_removal",
    "between_push_and_letter",
]
CRASH_POINTS: Final[tuple[CrashPoint, ...]] = get_args(CrashPoint)


class Crasher:
    """Dies at the armed point. One for each process, made from its settings."""

    __slots__ = ("_left", "_point")

    def __init__(self, spec: str | None = None) -> None:
        point, _, count = (spec or "").partition(":")
        if point and point not in CRASH_POINTS:
            raise ValueError(f"unknown crash point {point!r}; known: {', '.join(CRASH_POINTS)}")
        self._point = point or None
        self._left = int(count or 1)

    def reach(self, point: CrashPoint) -> None:
        """Die here if this is the armed point and its turn has come."""
        if self._point is None or self._point != point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
