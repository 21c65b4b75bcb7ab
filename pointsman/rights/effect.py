"""What a patch does to a plan, and what of a plan an edit token has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """What a holder, and those it handed its token on to, have made of a run and used for it."""

    nodes: frozenset[NodeId]
    edges: frozenset[EdgeId]
    spent: Spent


def account_of(holder: str, past: Iterable[PastPatch]) -> Account:
    """Add up the patches of a run, oldest first.

    What a holder added is its own until somebody else has changed it or taken it away.
    """
    nodes: set[NodeId] = set()
    edges: set[EdgeId] = set()
    added = operations = 0
    for by, count, effect in past:
        sender = holder_of(by)
        is_own = sender is not None and is_held_by(sender, holder)
        _own(nodes, effect.added, effect.changed, effect.removed, is_own=is_own)
        _own(edges, effect.added_edges, effect.changed_edges, effect.removed_edges, is_own=is_own)
        if is_own:
            added, operations = added + len(effect.added), operations + count
    return Account(frozenset(nodes), frozenset(edges), Spent(added, operations))


def accounts_of(grant: Grant, past: Sequence[PastPatch]) -> tuple[Account, ...]:
    """The account of each share of a token, that of its holder last."""
    return tuple(account_of(holder, past) for holder in grant.holders)


def _own(own: set[Id], added: Iterable[Id], changed: Iterable[Id], removed: Iterable[Id], *, is_own: bool) -> None:
    own.difference_update(removed)
    if is_own:
        own.update(added)
    else:
        own.difference_update(changed)
