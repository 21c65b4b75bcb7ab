"""What is known of a run once a round is over, each part told by somebody else: what the checks are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import msgspec

from pointsman.base.ids import Digest, RunId, Tip, TokenId
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import Program, advance, opened_by

Event = tuple[Transition, Tip]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a worker's ledger."""

    at: int
    """Nanoseconds of the machine's monotonic clock, which all processes share."""
    what: Literal["handed", "reported", "failed"]
    run: RunId
    token: TokenId
    attempt: int
    node: str
    data: Any = None
    """The payload it was handed, the output it reported, or the error."""


class Edit(msgspec.Struct, frozen=True):
    """A patch that was sent, and what was answered."""

    id: str
    """Its description, which no other patch of the run has."""
    run: RunId
    status: int
    """Of the answer; 0 where none came."""
    answered_at: int
    revision: int = 0
    """Of the run, as a 200 told it."""
    removes: tuple[str, ...] = ()
    """Nodes that it takes away for good."""

    @property
    def is_taken(self) -> bool:
        """Whether a 200 said so."""
        return self.status == 200

    @property
    def is_refused(self) -> bool:
        """Whether it is certain that nothing was changed."""
        return 400 <= self.status < 500


class Redriven(msgspec.Struct, frozen=True):
    """A dead letter that was redriven, as a 200 told it."""

    run: RunId
    letter: str
    """Its id, which is also the reason that was given."""
    attempt: int | None = None
    """The one that its task had next, where its run was open."""
    seq: int | None = None
    became: RunId | None = None
    """The run in which it was redriven, where its own was final."""


class Loss(NamedTuple):
    """Redis was found to have lost all it had of a partition."""

    epoch: int
    """In which it was opened again, or was to be."""
    at: int
    """When that began, in milliseconds."""
    partition: int
    """Of which it was."""


class Kept(NamedTuple):
    """What Redis held of a run at one instant."""

    keys: Mapping[str, Any]
    """Hashes and strings by what stands before their colon, all of it bytes."""
    timers: Mapping[bytes, float] = {}
    """Its timers on the clock, with their due times."""
    fired: frozenset[bytes] = frozenset()
    """Its timers that are signals already, spelled as on the clock."""
    tasks: Mapping[bytes, bytes] = {}
    """Its entries on the task streams: id to job id."""


class Moment(NamedTuple):
    """One event, and the run before and after it."""

    change: Transition
    tip: Tip
    before: Snapshot | None
    after: Snapshot
    program: Program
    """Of the plan after it."""


@dataclass(frozen=True)
class Run:
    """Everything about one run."""

    id: RunId
    events: list[Event]
    is_accepted: bool = True
    """Whether a 201 said so."""
    ledger: list[Line] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    shown: Mapping[str, Any] = field(default_factory=dict)
    """As the API shows it in the end."""
    kept: list[Kept] = field(default_factory=list)
    left: tuple[str, ...] = ()
    """Its keys in Redis in the end."""
    programs: Mapping[Digest, Program] = field(default_factory=dict)
    definitions: Mapping[Digest, bytes] = field(default_factory=dict)
    is_doomed: bool = False
    """Whether it fails, and is to go on in a fork."""
    redriven: list[Redriven] = field(default_factory=list)
    origin: Run | None = None
    """The run that it was forked from."""
    losses: tuple[int, ...] = ()
    """Epochs that began with Redis having lost all it had while the run was open.

    What of the run the journal had not seen by then is gone. Each costs an attempt of a token at most: one that was
    executed, and of which no event tells.
    """

    @cached_property
    def moments(self) -> list[Moment]:
        """Its events, one by one, as far as they can be folded."""
        return list(self._folded())

    @property
    def final(self) -> Snapshot | None:
        """What its journal comes to."""
        return self.moments[-1].after if self.moments else None

    def _folded(self) -> Iterator[Moment]:
        before: Snapshot | None = None
        for change, tip in self.events:
            if before is None:
                if change.started is None:
                    return
                after = opened_by(change, tip)
            elif change.prev != before.head.tip:
                return
            else:
                after = _copied(before)
                advance(after, change, tip)
            yield Moment(change, tip, before, after, self.programs[after.head.plan])
            before = after


def _copied(run: Snapshot) -> Snapshot:
    """A snapshot that can be moved on without moving this one: what it holds is frozen, but for what holds it."""
    joins = {token: dict(resolved) for token, resolved in run.joins.items()}
    return Snapshot(copy(run.head), dict(run.tokens), dict(run.results), joins, dict(run.frames))


class Violation(NamedTuple):
    """Something that must never be."""

    check: str
    run: RunId
    says: str
    seq: int | None = None
    """The event of the run that shows it."""
