"""Runs by chance: some of everything a definition can hold, one piece behind the other, all of it bound to complete."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.chaos.worker import TYPE
from tests.integration.definitions import control, edge

Document = dict[str, Any]
Ends = tuple[str, str]
"""Where a piece begins and ends."""

PATIENT: Final = {"max_attempts": 90, "backoff_ms": 30, "backoff_multiplier": 1.5, "max_backoff_ms": 200, "jitter": 0.5}
DELIVERIES: Final = 90
"""Faults cost attempts and workers; however many there were, they must not be what ends a run."""

SPARE: Final = "spare"
MENDED: Final = {"mended": True}
"""The input with which what had failed for good succeeds."""
LARGE: Final = 40_000
"""Characters, more than travel along."""
_FIELDS: Final = ("loop", "join", "timeout_ms", "failure_policy")
ECHOES: Final = 0.15
"""Share of the tasks whose result is reported a second time, late, and in another way."""


class Draft:
    """A definition in the making."""

    def __init__(self, chance: Random, longest_ms: int) -> None:
        self.chance = chance
        self.nodes: list[Document] = []
        self.edges: list[Document] = []
        self._longest_ms = longest_ms

    def task(self, **config: Any) -> str:
        """A node for the worker of the harness; its id."""
        fields: Document = {name: config.pop(name) for name in _FIELDS if name in config}
        told = {"handler": "do", "ms": self.chance.randrange(self._longest_ms), **config}
        if self.chance.random() < ECHOES and "pads" not in told:
            told["again_ms"] = self.chance.randrange(1_500)
        name = f"n{len(self.nodes)}"
        common = {"retry": PATIENT, "max_deliveries": DELIVERIES}
        self.nodes.append({"id": name, "type": TYPE, "config": told, **common, **fields})
        return name

    def control(self, kind: str, **fields: Any) -> str:
        """A node without a worker; its id."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(control(name, kind, **fields))
        return name

    def link(self, source: str, target: str, **fields: Any) -> None:
        """An edge."""
        self.edges.append(edge(f"{source}->{target}", **fields))


def plain(draft: Draft) -> Ends:
    """One task."""
    only = draft.task()
    return only, only


def retried(draft: Draft) -> Ends:
    """A task that fails a few times first."""
    only = draft.task(fails_until=draft.chance.randint(2, 4))
    return only, only


def timed_out(draft: Draft) -> Ends:
    """A task whose first attempt takes too long."""
    only = draft.task(hangs_until=2, hangs_ms=400, timeout_ms=300)
    return only, only


def nap(draft: Draft) -> Ends:
    """A timer."""
    only = draft.control("wait", wait=draft.chance.randint(20, 300))
    return only, only


def fan_out(draft: Draft) -> Ends:
    """Tasks side by side, and a join that waits for all of them, or for the first."""
    split = draft.control("parallel")
    sides = [draft.task() for _ in range(draft.chance.randint(2, 4))]
    both = draft.task(join=draft.chance.choice(["all", "all", "any"]))
    for side in sides:
        draft.link(split, side)
        draft.link(side, both)
    return split, both


def branch(draft: Draft) -> Ends:
    """A choice between two ways that meet again."""
    gate = draft.task(gives={"score": draft.chance.randrange(100)})
    high, low, meet = draft.task(), draft.task(), draft.task()
    draft.link(gate, high, when="output.score >= 50")
    draft.link(gate, low)
    draft.link(high, meet)
    draft.link(low, meet)
    return gate, meet


def loop(draft: Draft) -> Ends:
    """Two tasks, gone over a few times."""
    passes = draft.chance.randint(2, 4)
    told = {"pass": "${loop.iteration}"}
    first = draft.task(gives=told)
    again = {"condition": f"output.pass < {passes}", "max_iterations": passes, "loop_back_to": first}
    last = draft.task(gives=told, loop=again)
    draft.link(first, last)
    return first, last


def nested(draft: Draft) -> Ends:
    """A loop around another piece, which may be a loop itself."""
    told = {"pass": "${loop.iteration}"}
    first = draft.task(gives=told)
    begin, end = draft.chance.choice((retried, nap, fan_out, branch, loop, handled))(draft)
    again = {"condition": "output.pass < 2", "max_iterations": 2, "loop_back_to": first}
    last = draft.task(gives=told, loop=again)
    draft.link(first, begin)
    draft.link(end, last)
    return first, last


def large(draft: Draft) -> Ends:
    """A task whose output goes to the blob store, and one that is handed it."""
    first, last = draft.task(pads=LARGE), draft.task()
    draft.link(first, last)
    return first, last


def handled(draft: Draft) -> Ends:
    """A task that fails for good, and what is done about it."""
    fails = draft.task(refuses=True)
    never, remedy, meet = draft.task(), draft.task(), draft.task()
    draft.link(fails, never)
    draft.link(fails, remedy, on="error")
    draft.link(never, meet)
    draft.link(remedy, meet)
    return fails, meet


def parked(draft: Draft) -> Ends:
    """A task that fails for good until somebody redrives it with another input."""
    only = draft.task(wants=MENDED, failure_policy="park")
    return only, only


PIECES: Final[tuple[Callable[[Draft], Ends], ...]] = (
    plain,
    retried,
    timed_out,
    nap,
    fan_out,
    branch,
    loop,
    nested,
    handled,
    large,
    parked,
)


def any_definition(
    chance: Random, *, least_nodes: int = 10, longest_ms: int = 100, is_doomed: bool = False
) -> Document:
    """A definition of at least so many nodes; a branch of one node hangs near its end, for editors to take away.

    One that is doomed fails in its middle, and completes only in a fork in which its dead letter is redriven.
    """
    draft = Draft(chance, longest_ms)
    _, end = plain(draft)
    before = end
    while len(draft.nodes) < least_nodes:
        begin, following = chance.choice(PIECES)(draft)
        draft.link(end, begin)
        before, end = end, following
        if is_doomed and len(draft.nodes) * 2 >= least_nodes:
            is_doomed = False
            draft.link(end, draft.task(wants=MENDED))
            before, end = end, draft.nodes[-1]["id"]
    draft.task()
    draft.nodes[-1]["id"] = SPARE
    draft.link(before, SPARE)
    return {"name": "chaos", "nodes": draft.nodes, "edges": draft.edges}
