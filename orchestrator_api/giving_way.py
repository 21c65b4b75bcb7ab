"""Giving way: where the API shares a processor with what moves runs, they do not wait for it."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

NICER: Final = 5
"""How much nicer it is than the others: a run that moves does not wait for one that is edited."""
SLICE_NS: Final = 10_000_000
"""How long it would have the processor at once, several times what others ask for.

Linux takes the processor away for whoever wants it for less, at once and not at the end of a slice (since 6.12). How
much of it each gets in the long run stays as it is.
"""
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES: Final = "=IIQiIQQQ"
"""Of `struct sched_attr`: size, policy, flags, nice, priority, runtime, deadline, period."""


def give_way() -> None:
    """Let others go first from here on: call it before there are threads, which then do the same."""
    os.nice(NICER)
    number = _SCHED_SETATTR.get(platform.machine())
    if sys.platform != "linux" or number is None or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    size = struct.calcsize(_ATTRIBUTES)
    attributes = struct.pack(_ATTRIBUTES, size, os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
    # Where that is not allowed, or not known of, nothing comes of it: being nicer stays.
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)
