"""Footprints: what a replayed record looked at, and what it changed.

Two replays of one history, on two plans, go the same way until a record meets something that is different between
the plans, or that has become different between the two states. So what the one did with a record can be taken over by
the other where it looked at nothing of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any, Final, NamedTuple, TypeVar, overload

import msgspec

from pointsman.base.ids import Millis, NodeId, TokenId
from pointsman.plan.sameness import is_the_same
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.state import FINAL, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import Program
from pointsman.step.program import Site

K = TypeVar("K", bound=str)
V = TypeVar("V")
T = TypeVar("T")

KINDS: Final = ("*tokens", "*results", "*joins", "*frames", "*nodes", "*loops")
"""Names of what entries are of: one is seen where somebody looked through them all, and different where any of them is.

They are the names of no entry.
"""


class Seen:
    """The names of all that was looked at, in a state and in its plan, since it was last asked.

    Tokens, frames and nodes are told apart by how they are spelled; what is kept of a token under its id in the results
    and the joins counts as the token.
    """

    __slots__ = ("names",)

    def __init__(self) -> None:
        self.names: set[str] = set()

    def taken(self) -> tuple[str, ...]:
        """They; it begins anew."""
        names, self.names = self.names, set()
        return tuple(names)


class Watched(dict[K, V]):
    """Entries by name, of which `seen` learns whichever is looked at. Writing is not looking."""

    __slots__ = ("_kind", "_seen")

    def __init__(self, entries: Mapping[K, V], kind: int, seen: Seen) -> None:
        super().__init__(entries)
        self._kind = KINDS[kind]
        self._seen = seen

    def __getitem__(self, key: K) -> V:
        self._seen.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._seen.names.add(str(key))
        return super().__contains__(key)

    @overload
    def get(self, key: K, default: None = None, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T, /) -> V | T: ...
    def get(self, key: K, default: Any = None, /) -> Any:
        self._seen.names.add(key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[K]:
        self._seen.names.add(self._kind)
        return super().__iter__()

    def keys(self) -> Any:
        """The names: all of them are seen."""
        self._seen.names.add(self._kind)
        return super().keys()

    def values(self) -> Any:
        """What they name: all of it is seen."""
        self._seen.names.add(self._kind)
        return super().values()

    def items(self) -> Any:
        """Both: all is seen."""
        self._seen.names.add(self._kind)
        return super().items()


def watched_program(program: Program, seen: Seen) -> Program:
    """The same program, of whose nodes and loops `seen` learns whichever is looked at."""
    made = copy(program)
    made.sites = Watched(program.sites, 4, seen)
    made.regions = Watched(program.regions, 5, seen)
    return made


def watched_state(state: Snapshot, seen: Seen) -> Snapshot:
    """A copy of a state, of which `seen` learns whatever is looked at."""
    joins = {token: dict(edges) for token, edges in state.joins.items()}
    return Snapshot(
        msgspec.structs.replace(state.head),
        Watched(state.tokens, 0, seen),
        Watched(state.results, 1, seen),
        Watched(joins, 2, seen),
        Watched(state.frames, 3, seen),
    )


class Activation(msgspec.Struct, frozen=True):
    """A task as it was first dispatched: what an edit must not change about it."""

    at: int
    """How many records had been replayed."""
    since: Millis
    """When it was activated: while the run is paused, a task waits from then on."""
    type: str
    config: bytes
    origin: tuple[str | None, bytes, str | None]
    """From which node it came, and with what payload, inline or by reference."""


class Fact(NamedTuple):
    """A record, and what its replay takes from the run besides."""

    record: HistoryRecord
    told: object


class Beginning(NamedTuple):
    """How a run began on a plan."""

    nodes: list[NodeId]
    """Those that it began with."""
    seen: tuple[str, ...]
    change: Transition
    dispatched: tuple[tuple[TokenId, Activation], ...]


class Move(NamedTuple):
    """One record as it was replayed. What it dispatched stands in activations, and not in the change."""

    fact: Fact
    head: tuple[object, ...]
    """What steps read of the run itself, as it was before."""
    seen: tuple[str, ...]
    change: Transition | None
    """None where it changes nothing on this plan, and is lost."""
    dispatched: tuple[tuple[TokenId, Activation], ...]


def head_of(state: Snapshot) -> tuple[object, ...]:
    """What steps read of the run itself; how many tokens and passes it has made, only its limits ask for."""
    head = state.head
    return head.status, head.failed, head.error, head.timer


def comparable(one: Program, other: Program) -> bool:
    """Whether two plans differ in nodes, edges and loops alone: all else is read by every step."""
    return one.engine_name == other.engine_name and _as_a_whole(one) == _as_a_whole(other)


def _as_a_whole(program: Program) -> tuple[object, ...]:
    plan = program.plan
    return plan.name, plan.output, plan.failure_policy, plan.guards


def apart(one: Program, other: Program) -> set[str]:
    """The nodes that are different between two plans, or stand otherwise in them; a loop goes by its last."""
    mine, others = one.sites, other.sites
    return {node for node in {**mine, **others} if not _stand_alike(mine.get(node), others.get(node))}


def _stand_alike(one: Site | None, other: Site | None) -> bool:
    if one is None or other is None:
        return False
    return (
        (one.ins, one.out, one.closes, one.enters) == (other.ins, other.out, other.closes, other.enters)
    ) and is_the_same(one.node, other.node)


def holds(move: Move, state: Snapshot, program: Program, different: set[str]) -> bool:
    """Whether the record of a move does in `state` what it did in the other replay.

    Args:
        move: That. What a pass has left behind is different only where its loop is, which was looked at.
        state: Where this replay stands, before it.
        program: The plan of this replay.
        different: Names of what is different between the two, or may be.
    """
    change, head = move.change, state.head
    if change is None or change.status in FINAL or not different.isdisjoint(move.seen):
        return False
    guards = program.plan.guards
    return (
        head.tokens_made + change.tokens_made <= guards.max_tokens
        and head.passes_made + change.passes_made <= guards.max_loop_iterations
        and move.head == head_of(state)
        and _leaves_something(change, state)
    )


def _leaves_something(change: Transition, state: Snapshot) -> bool:
    """Whether something is open after a change: where nothing is, a run ends."""
    return bool(change.opened) or len(state.tokens) > len(change.closed)


def differing(one: Transition | None, other: Transition | None) -> set[str]:
    """Names of what two changes leave different, if it was alike before them."""
    found: set[str] = set()
    for kind, mine, others in zip(KINDS[:4], _written(one), _written(other), strict=True):
        names = {name for name in mine.keys() | others.keys() if _of(mine, name) != _of(others, name)}
        found |= {*names, kind} if names else names
    return found


def _of(written: Mapping[str, object], name: str) -> tuple[object, ...]:
    return (written[name],) if name in written else ()


def _written(change: Transition | None) -> list[dict[str, object]]:
    """What a change makes of tokens, results, joins and frames; None of what it takes away."""
    if change is None:
        return [{}, {}, {}, {}]
    tallies = {name: (name in change.unjoined, change.joined.get(name)) for name in (*change.unjoined, *change.joined)}
    taken: list[Iterable[str]] = [change.closed, change.forgotten, (), change.frames_ended]
    given: list[Mapping[Any, object]] = [change.opened, change.ended, tallies, change.frames]
    return [{**dict.fromkeys(gone), **made} for gone, made in zip(taken, given, strict=True)]
