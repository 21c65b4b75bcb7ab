"""DeadLetters: what came to its end and was taken by nobody, until a person decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

from pointsman.base.ids import Millis, NodeId, RunId, TokenId
from pointsman.protocol.dead_letter import DeadLetterKind

LetterStatus = Literal["open", "redriven", "skipped", "closed"]
"""closed: nobody redrove it, and its run went on: a result was pushed for it, or the run was edited or cancelled."""


class DeadLetter(msgspec.Struct, frozen=True):
    """One dead letter. Those of signals know of run and node what the signal said; those of nodes have no signal."""

    id: str
    kind: DeadLetterKind
    status: LetterStatus
    at: Millis
    run_id: RunId | None
    workflow: str | None
    epoch: int | None
    seq: int | None
    """Of the event with which the node failed."""
    token: TokenId | None
    node: NodeId | None
    type: str | None
    """The task type of the node."""
    attempt: int | None
    is_parked: bool
    """Whether its run waits for what becomes of it, as long as it is open."""
    code: str
    """The type of the node's error, or the code with which the signal was set aside."""
    message: str
    signal: bytes | None
    """As it came; of a very long one the beginning."""
    signal_length: int | None
    decided_at: Millis | None
    decided_by: str | None
    reason: str | None
    """What whoever decided gave as the reason; of a closed letter what its run went on with."""
    is_edited: bool
    """Whether it was redriven with another input."""
    became: RunId | None
    """The run in which it was redriven, where its own was final."""

    @property
    def is_whole(self) -> bool:
        """Whether all of its signal was kept."""
        return self.signal is not None and len(self.signal) == self.signal_length


class LetterFilter(msgspec.Struct, frozen=True):
    """Which letters are meant; None: whatever it is."""

    run: RunId | None = None
    workflow: str | None = None
    node: NodeId | None = None
    type: str | None = None
    kind: DeadLetterKind | None = None
    code: str | None = None
    status: LetterStatus | None = None
    since: Millis | None = None


class Place(NamedTuple):
    """A place in the list of letters: behind this one."""

    at: int
    id: str


NEWEST_LETTER = Place(2**63 - 1, "")


class DeadLetters(Protocol):
    """The letters, newest first."""

    async def page(self, wanted: LetterFilter, *, after: Place = NEWEST_LETTER, limit: int = 100) -> list[DeadLetter]:
        """Letters behind a place."""
        ...

    async def get(self, letter: str) -> DeadLetter | None:
        """One letter."""
        ...


class RejectedSignal(NamedTuple):
    """A signal that was set aside, and its place on the stream of those."""

    entry: str
    signal: bytes
    length: int
    code: str
    reason: str
    partition: int = 0
    """Whose stream that is: two of them may give out the same place."""


class RejectedSource(Protocol):
    """Signals that were set aside and are not written down yet, in order. Only `remove` changes anything."""

    async def read(self, count: int) -> list[RejectedSignal]:
        """The first of them."""
        ...

    async def remove(self, signals: Sequence[RejectedSignal]) -> None:
        """Take signals off the stream, once they are durable."""
        ...
