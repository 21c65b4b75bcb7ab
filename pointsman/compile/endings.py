"""The ways a node can end, and which of its out-edges are live after each (SEMANTICS §3.1).

What the compiler knows about routing stands here, once: which edges exclude each other, which of them are surely taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pointsman.base.ids import EdgeId
from pointsman.definition import Node
from pointsman.plan import Edge, Route


@dataclass(frozen=True, slots=True)
class Ending:
    """One way a node can end: the edges that are live then, and those that may be."""

    sure: frozenset[EdgeId]
    possible: frozenset[EdgeId]


def endings_of(form: Node, out: Iterable[Edge]) -> tuple[Ending, ...]:
    """Every way the node can end, but for a failure that no edge takes."""
    return tuple(_endings(form, list(out)))


def candidates(form: Node, out: Iterable[Edge]) -> list[list[Edge]]:
    """The edges that a node that ended well chooses from; two lists where it closes a loop: for break and timeout."""
    success = [edge for edge in out if edge.on == "success"]
    if form.loop is None:
        return [success]
    return [[edge for edge in success if (edge.leave == "timeout") is late] for late in (False, True)]


def may_choose_none(edges: Iterable[Edge]) -> bool:
    """Whether it can be that none of these candidates is taken."""
    return all(edge.when is not None for edge in edges)


def _endings(form: Node, out: list[Edge]) -> Iterator[Ending]:
    ended_well = candidates(form, out)
    for path, edges in enumerate(ended_well):
        yield from _chosen(form.route, edges)
        is_exhausted = path == 1 and not edges  # it fails then, with `loop_exhausted`
        if may_choose_none(edges) and not is_exhausted:
            yield Ending(frozenset(), frozenset())
    for on in ("timeout", "error"):
        yield from _chosen(form.route, [edge for edge in out if edge.on == on])


def _chosen(route: Route, edges: list[Edge]) -> Iterator[Ending]:
    """What conditions may choose from candidates."""
    if route == "all" and edges:
        yield Ending(_ids(edge for edge in edges if edge.when is None), _ids(edges))
        return
    for condition in dict.fromkeys(edge.when for edge in edges):
        group = _ids(edge for edge in edges if edge.when == condition)
        yield Ending(group, group)


def _ids(edges: Iterable[Edge]) -> frozenset[EdgeId]:
    return frozenset(edge.id for edge in edges)
