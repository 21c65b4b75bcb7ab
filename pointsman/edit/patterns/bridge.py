"""Bridging: closing the graph over nodes that are taken out of it, where that has one meaning."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pointsman.base.errors import Problem
from pointsman.edit.patterns.refusal import listed, refusal, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import counts_its_ways, keep_loops_whole
from pointsman.edit.patterns.way import Way


def led_to(work: Rewrite) -> set[str]:
    """The nodes that do not begin with the run."""
    return {way.target for way in work.ways}


def check_ways_in(work: Rewrite, before: Collection[str], field: str) -> None:
    """Refuse if nothing leads any more to one of the nodes to which something led before.

    Raises:
        EditRefused: EDT047.
    """
    now = led_to(work)
    left = [node for node in work.nodes if node in before and node not in now]
    if left:
        raise refusal(Problem("EDT047", field, _without_way(node)) for node in left)


class Bridge:
    """What leads to some nodes, and what follows them when all goes well."""

    def __init__(self, work: Rewrite, inside: Collection[str], field: str) -> None:
        """Look at how `inside`, which stands at `field` of the request, is connected.

        Raises:
            EditRefused: EDT044 or EDT046, it cannot be bridged.
        """
        keep_loops_whole(work, inside, field)
        self._work = work
        self._inside = inside
        self._field = field
        self.ins = [way for way in work.ways if way.target in inside and way.source not in inside]
        self.outs = [way for way in work.ways if way.source in inside and way.target not in inside and way.leads_on]
        self._led_to = led_to(work)
        starts = set(inside) - self._led_to
        entered = [node for node in work.nodes if node in starts or any(way.target == node for way in self.ins)]
        self._beyond = {node: self._follow(node) for node in entered}
        self._begin_the_run = {target for start in starts for target in self._beyond[start]}
        self._check_joins()

    def close(self) -> None:
        """Lead what led in to what follows. The ways out are left as they are."""
        self._move_loops()
        self._move_join()
        for way in self.ins:
            self._work.lead(way, self._beyond[way.target])

    def check_ways_in(self) -> None:
        """Refuse if one of the other nodes has lost all that led to it, and would therefore begin with the run.

        Raises:
            EditRefused: EDT047.
        """
        check_ways_in(self._work, self._led_to - self._begin_the_run - set(self._inside), self._field)

    def _follow(self, node: str) -> list[str]:
        """What comes after `node` and all that it leads to inside."""
        inner = self._work.reached(node, self._inside, leading_on=True)
        outs = [way for way in self.outs if way.source in inner]
        self._check_conditions(inner, outs)
        return list(dict.fromkeys(way.target for way in outs))

    def _check_conditions(self, inner: set[str], outs: list[Way]) -> None:
        deciding = [way for way in outs if way.when is not None]
        if not deciding and len({way.source for way in outs}) > 1:
            within = (way for way in self._work.ways if way.source in inner and way.target in inner)
            deciding = [way for way in within if way.when is not None and way.leads_on]
        if deciding:
            told = (
                f"what follows depends on the condition of {listed(way.key for way in deciding)}, which reads what "
                f"{listed(way.source for way in deciding)} gave. Change the condition first, or take in all that "
                "depends on it."
            )
            raise refused("EDT046", self._field, told)

    def _check_joins(self) -> None:
        for target in dict.fromkeys(target for targets in self._beyond.values() for target in targets):
            if counts_its_ways(self._work, target):
                before = sum(way.source in self._inside for way in self._work.ins(target))
                after = sum(target in self._beyond[way.target] for way in self.ins)
                if before != after:
                    told = f"`{target}` counts the ways that lead to it (`join`), and their number would change."
                    raise refused("EDT046", self._field, f"{told} Change its `join` first.")
        for node in self._counting():
            if not self._can_take_join(node):
                told = f"`{node}` counts the ways that lead to it (`join`), and no node behind it could do so instead."
                raise refused("EDT046", self._field, told)

    def _counting(self) -> Iterator[str]:
        """The nodes that are entered by several ways, and count them."""
        for node, targets in self._beyond.items():
            if targets and counts_its_ways(self._work, node) and len(self._work.ins(node)) > 1:
                yield node

    def _can_take_join(self, node: str) -> bool:
        return len(self._beyond) == 1 and all(
            not counts_its_ways(self._work, target) and self._only_from_inside(target) for target in self._beyond[node]
        )

    def _only_from_inside(self, node: str) -> bool:
        return all(way.source in self._inside for way in self._work.ins(node))

    def _move_join(self) -> None:
        for node in list(self._counting()):
            for target in self._beyond[node]:
                self._work.set_field(target, "join", self._work.node(node)["join"])

    def _move_loops(self) -> None:
        """Have the loops around begin at what follows, where they began with a node that is taken out."""
        for region in self._work.regions.values():
            if region.entry not in self._inside or region.id in self._inside:
                continue
            following = self._follow(region.entry)
            if len(following) != 1:
                told = (
                    f"each pass of the loop that `{region.id}` closes begins at `{region.entry}`, and without it would "
                    f"have to begin at {listed(following) or 'nothing'}."
                )
                raise refused("EDT046", self._field, told)
            self._work.begin_loop_at(region.id, following[0])


def _without_way(node: str) -> str:
    return (
        f"nothing would lead to `{node}` any more, so it would begin with the run. Take it out too, or first lead "
        "another way there."
    )
