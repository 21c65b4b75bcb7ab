"""Pulse: what of an open run tells whether anything is going to move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from pointsman.base.ids import JobId, Millis, RunId, TokenId
from pointsman.protocol.state import OpenToken, RunStatus


class Pulse(NamedTuple):
    """An open run, without its results."""

    status: RunStatus
    seq: int
    tokens: Mapping[TokenId, OpenToken]
    lost: Sequence[JobId]
    """Attempts that are out, and whose task is on no stream."""


UNSEEN: Final = Pulse("RUNNING", -1, {}, [])
"""Stands for a run of which nothing can be said at the moment: where it is, nobody can look."""


class Pulses(Protocol):
    """Open runs, looked at in numbers."""

    async def of(self, runs: Sequence[RunId], since: Millis) -> dict[RunId, Pulse]:
        """Those of the runs that are there; whether tasks are lost that were dispatched at or before `since`.

        `UNSEEN` where that is not known, now or when `waiting` was asked last.
        """
        ...

    async def waiting(self, since: Millis) -> dict[RunId, Millis] | None:
        """The runs for which signals wait that came at or before `since`, each with when the first of them came.

        None where so many wait that nothing can be said of any run, or where the store is closed.
        """
        ...
