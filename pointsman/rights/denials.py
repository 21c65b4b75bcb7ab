"""What a patch may not do under an edit token.

A token extends its run behind the node it was issued for. What others have made stays as it is and goes on as it would
have without: it is not changed, it waits for nothing new unless it stands behind that node, and it runs only where it
would have run. What is decided is the effect of a patch on the plan, so no spelling of operations makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec

from pointsman.base.errors import Problem
from pointsman.base.ids import NodeId
from pointsman.plan import Edge, Node, Plan
from pointsman.rights.effect import Account, Effect
from pointsman.rights.grant import Grant, Spent, Use
from pointsman.rights.graph import Graph, goes_on, is_plain


def use_of(effect: Effect, accounts: Sequence[Account], operations: int) -> Use:
    """What a patch of so many operations would use."""
    formed = (*effect.added.values(), *effect.changed.values())
    return Use(
        frozenset(type_of(node) for node in formed),
        tuple(Spent(own.spent.nodes + len(effect.added), own.spent.operations + operations) for own in accounts),
    )


def denials(grant: Grant, accounts: Sequence[Account], old: Plan, new: Plan, operations: int) -> list[Problem]:
    """Why a patch that makes `new` of `old` is not allowed; empty where it is.

    Args:
        grant: What the token says.
        accounts: What each share of it has made of `old`, and used so far.
        old: The plan that the run has.
        new: The plan that the patch compiles to.
        operations: How many operations it has.
    """
    effect, own = Effect.between(old, new), accounts[-1]
    found = [
        *_beyond_limits(grant, effect, use_of(effect, accounts, operations)),
        *_changes_of_others(own, effect, old, new),
        *_loops(own, effect, old, new),
        # Each giver's own counts as its holder's neighbour: what is allowed beside it must be allowed without it, too.
        *chain.from_iterable(_Places(grant, account, effect, old, new).denials() for account in accounts),
    ]
    return list(dict.fromkeys(found))


def heading_denials(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Problem]:
    """Why a patch that makes the document `new` of `old` is not allowed, for what is no node and no edge in it.

    Some of that is in no plan: the name that the workflow would be published under, say.
    """
    told = "was not added with this edit token, which is for nodes and edges alone."
    changed = (name for name in {*old, *new} - {"nodes", "edges"} if old.get(name, ...) != new.get(name, ...))
    return [Problem("EDT066", f"/{name}", f"`{name}` {told}") for name in sorted(changed)]


def type_of(node: Node) -> str:
    """A node's type as an author writes it."""
    return node.type or node.kind


def _beyond_limits(grant: Grant, effect: Effect, use: Use) -> Iterator[Problem]:
    for node in (*effect.added.values(), *effect.changed.values()):
        if type_of(node) not in grant.types:
            allowed = ", ".join(f"`{name}`" for name in sorted(grant.types)) or "none"
            told = f"node `{node.id}` is of type `{type_of(node)}`; the edit token allows {allowed}."
            yield Problem("EDT060", f"/nodes/{node.id}/type", told)
    for share, spent in zip(grant.shares, use.spent, strict=True):
        if effect.added and share.limits.nodes is not None and spent.nodes > share.limits.nodes:
            told = f"the edit token allows {share.limits.nodes} added nodes in all, and this would make {spent.nodes}."
            yield Problem("EDT061", "/nodes", told)
        if share.limits.operations is not None and spent.operations > share.limits.operations:
            told = f"the edit token allows {share.limits.operations} operations in all, and this would make "
            yield Problem("EDT062", "", f"{told}{spent.operations}.")


def _changes_of_others(account: Account, effect: Effect, old: Plan, new: Plan) -> Iterator[Problem]:
    """What others have made, and would be different."""
    yield from _touched("nodes", {*effect.changed, *effect.removed} - account.nodes)
    yield from _touched("edges", {*effect.changed_edges, *effect.removed_edges} - account.edges)
    for part, before, after in (
        ("nodes", [node.id for node in old.nodes], [node.id for node in new.nodes]),
        ("edges", [edge.id for edge in old.edges], [edge.id for edge in new.edges]),
    ):
        own = account.nodes if part == "nodes" else account.edges
        there = set(before) & set(after) - own
        if [name for name in before if name in there] != [name for name in after if name in there]:
            yield Problem("EDT066", f"/{part}", f"the {part} that were there would stand in another order.")
    if _heading(old) != _heading(new):
        told = "what the definition says of the workflow as a whole would change; an edit token is for nodes and edges."
        yield Problem("EDT066", "", told)


def _touched(part: str, names: Iterable[str]) -> Iterator[Problem]:
    for name in sorted(names):
        told = f"`{name}` was not added with this edit token, which can neither change nor remove it."
        yield Problem("EDT066", f"/{part}/{name}", told)


def _heading(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, nodes=(), edges=(), regions=())


def _loops(account: Account, effect: Effect, old: Plan, new: Plan) -> Iterator[Problem]:
    for node in (*effect.added.values(), *effect.changed.values()):
        if node.loop is not None or node.kind == "loop":
            yield Problem("EDT067", f"/nodes/{node.id}", f"node `{node.id}` would close a loop, which no token allows.")
    mine = account.nodes | effect.added.keys()
    before, after = ([_body(plan, place, mine) for place in range(len(plan.regions))] for plan in (old, new))
    if before != after:
        yield Problem("EDT067", "/nodes", "a loop would have another body, entry or end; no token allows that.")


def _body(plan: Plan, place: int, mine: Iterable[NodeId]) -> object:
    region = plan.regions[place]
    return region.id, region.entry, region.parent, [node for node in region.nodes if node not in mine]


class _Places:
    """Where nodes and edges would stand."""

    def __init__(self, grant: Grant, account: Account, effect: Effect, old: Plan, new: Plan) -> None:
        self._issuer = grant.node
        self._mine = (account.nodes | effect.added.keys()) - effect.removed
        self._own_edges = account.edges | effect.added_edges.keys()
        self._effect = effect
        self._others = Graph(old, account.nodes, account.edges)
        self._old, self._new = Graph(old), Graph(new)
        self._behind = self._others.behind(grant.node)

    def denials(self) -> Iterator[Problem]:
        yield from self._cut_off()
        formed = {**self._effect.added_edges, **self._effect.changed_edges}
        for edge in self._new.edges():
            if edge.id in formed:
                yield from self._source(edge)
                yield from self._target(edge)
            elif edge.id in self._own_edges and not self._is_bypass(edge, self._old):
                yield from self._target(edge)  # what leads to it may have changed

    def _cut_off(self) -> Iterator[Problem]:
        before, after = self._old.behind(self._issuer), self._new.behind(self._issuer)
        for node in sorted(self._mine - after):
            if node in before or node in self._effect.added:
                told = f"nothing would lead from `{self._issuer}`, which the edit token is for, to `{node}`."
                yield Problem("EDT063", f"/nodes/{node}", told)

    def _source(self, edge: Edge) -> Iterator[Problem]:
        source = edge.source
        if source in self._mine:
            return
        if source != self._issuer and source not in self._behind:
            told = f"comes out of `{source}`, which is not behind `{self._issuer}`, which the edit token is for."
            yield _of_edge("EDT063", edge, told)
        elif wrong := self._interference(edge):
            yield _of_edge("EDT068", edge, f"{wrong}; add a node of your own behind `{source}` and go on from there.")

    def _interference(self, edge: Edge) -> str:
        """How an edge out of a node of others would change what becomes of that node and its other edges."""
        others = [other for other in self._others.out[edge.source] if goes_on(other)]
        if edge.on != "success":
            return f"would handle the failure of `{edge.source}`"
        if edge.leave == "timeout":
            return f"would handle that the loop of `{edge.source}` is exhausted"
        if edge.when is not None and (others or edge.source != self._issuer):
            return f"has a condition, on which the other edges of `{edge.source}` would depend"
        if others and all(other.when is not None for other in others):
            return f"would be the default of the conditions of `{edge.source}`"
        return ""

    def _target(self, edge: Edge) -> Iterator[Problem]:
        target = edge.target
        if target in self._mine:
            return
        if target not in self._behind:
            told = f"leads into `{target}`, which is not behind `{self._issuer}` and would wait for it."
            yield _of_edge("EDT064", edge, told)
        elif self._is_bypass(edge, self._new):
            yield _bypass(edge)

    def _is_bypass(self, edge: Edge, graph: Graph) -> bool:
        """Whether a node of others could run for this edge alone, though nothing else led to it."""
        if edge.target in self._mine:
            return False
        if edge.source not in self._mine:
            return edge.target not in self._others.surely_behind(edge.source)
        tail = (graph.before(edge.source, self._mine) | {edge.source}) & self._mine
        entries = [way for node in tail for way in graph.ins.get(node, ()) if way.source not in self._mine]
        if not all(is_plain(way) and way.id in self._own_edges for way in entries):
            return True
        return not all(edge.target in self._others.surely_behind(way.source) for way in entries)


def _bypass(edge: Edge) -> Problem:
    told = f"leads into `{edge.target}`, which could then run in a case in which the workflow would skip it."
    return _of_edge("EDT065", edge, told)


def _of_edge(code: str, edge: Edge, told: str) -> Problem:
    return Problem(code, f"/edges/{edge.id}", f"edge `{edge.id}` {told}")
