"""What a patch does to a plan, and what of a plan an edit token has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from pointsman.base.ids import EdgeId, NodeId
from pointsman.plan import Edge, Node, Plan
from pointsman.rights.grant import Grant, Spent, holder_of, is_held_by

Id = TypeVar("Id", bound=str)


class Effect(NamedTuple):
    """The difference between two plans. What is changed stands here as it is to be."""

    added: Mapping[NodeId, Node]
    changed: Mapping[NodeId, Node]
    removed: frozenset[NodeId]
    added_edges: Mapping[EdgeId, Edge]
    changed_edges: Mapping[EdgeId, Edge]
    removed_edges: frozenset[EdgeId]

    @classmethod
    def between(cls, old: Plan, new: Plan) -> Effect:
        """What makes `new` of `old`."""
        before, after = {node.id: node for node in old.nodes}, {node.id: node for node in new.nodes}
        ways, paths = {edge.id: edge for edge in old.edges}, {edge.id: edge for edge in new.edges}
        return cls(
            {node: form for node, form in after.items() if node not in before},
            {node: form for node, form in after.items() if node in before and before[node] != form},
            frozenset(before.keys() - after.keys()),
            {edge: form for edge, form in paths.items() if edge not in ways},
            {edge: form for edge, form in paths.items() if edge in ways and ways[edge] != form},
            frozenset(ways.keys() - paths.keys()),
        )


class PastPatch(NamedTuple):
    """A patch that was taken."""

    by: str
    operations: int
    effect: Effect


class Account(NamedTuple):
    """What is a token's own in a run, and what it has used, for each share of it."""

    nodes: frozenset[NodeId]
    edges: frozenset[EdgeId]
    spent: tuple[Spent, ...]


def account_of(grant: Grant, past: Iterable[PastPatch]) -> Account:
    """Add up the patches of a run, oldest first.

    What the holder added is its own until somebody else has changed it or taken it away.
    """
    nodes: set[NodeId] = set()
    edges: set[EdgeId] = set()
    spent = [Spent() for _ in grant.shares]
    for patch in past:
        holder = holder_of(patch.by)
        is_own = holder is not None and is_held_by(holder, grant.holders[-1])
        _own(nodes, patch.effect.added.keys(), patch.effect.changed.keys(), patch.effect.removed, is_own=is_own)
        _own(
            edges,
            patch.effect.added_edges.keys(),
            patch.effect.changed_edges.keys(),
            patch.effect.removed_edges,
            is_own=is_own,
        )
        for place, name in enumerate(grant.holders):
            if holder is not None and is_held_by(holder, name):
                before = spent[place]
                spent[place] = Spent(before.nodes + len(patch.effect.added), before.operations + patch.operations)
    return Account(frozenset(nodes), frozenset(edges), tuple(spent))


def _own(own: set[Id], added: Iterable[Id], changed: Iterable[Id], removed: Iterable[Id], *, is_own: bool) -> None:
    own.difference_update(removed)
    if is_own:
        own.update(added)
    else:
        own.difference_update(changed)
