"""Parallelise a sequence."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field

from pointsman.definition.model import Text
from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import Section, begun_at, counts_its_ways, section_of
from pointsman.edit.patterns.way import Way


class Parallelise(Pattern):
    """Have nodes that follow one another begin together; what came behind the last waits for all of them."""

    pattern: Literal["parallelise"] = Field(description="Have the nodes of a sequence begin together.")
    nodes: list[Text] = Field(min_length=2, description="The nodes, in the order in which they follow.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        section = section_of(work, self.nodes, "/nodes")
        between = [_only_way(work, *pair) for pair in pairwise(self.nodes)]
        _check(work, section, list(self.nodes))
        first, *others = self.nodes
        join = work.node(first).get("join")
        for node in others:
            work.set_field(node, "join", join)
        for way in section.ins:
            work.lead(way, list(self.nodes))
        for node in self.nodes[:-1]:
            for target in section.targets:
                work.add(Way(node, target))
        for way in between:
            work.drop(way)


def _only_way(work: Rewrite, source: str, target: str) -> Way:
    """The way from a node to the next in the sequence."""
    leading_on = [way for way in work.outs(source) if way.leads_on]
    if [way.target for way in leading_on] != [target] or leading_on[0].when is not None or len(work.ins(target)) != 1:
        told = f"`{target}` does not simply follow `{source}`."
        raise refused("EDT044", "/nodes", f"{told} A sequence is nodes each of which is the only one behind the last.")
    return leading_on[0]


def _check(work: Rewrite, section: Section, nodes: list[str]) -> None:
    """Refuse what begins or ends in a way that several nodes at once cannot."""
    around = [region for region in work.regions.values() if region.id in nodes and region.entry != region.id]
    loops = [*begun_at(work, section), *(region.id for region in around)]
    if loops:
        told = f"each pass of the loop that `{loops[0]}` closes begins at one node and ends at one."
        raise refused("EDT046", "/nodes", f"{told} Put nodes before and behind the sequence first.")
    deciding = [way.key for way in section.outs if way.when is not None]
    if deciding:
        told = (
            f"the conditions of {listed(deciding)} read the output of `{section.exit}`, which would end among others."
        )
        raise refused("EDT046", "/nodes", f"{told} Put a node that decides behind it first.")
    counting = [target for target in section.targets if counts_its_ways(work, target)]
    if counting:
        told = f"{listed(counting)} counts the ways that lead to it (`join`), and would not wait for all of these."
        raise refused("EDT046", "/nodes", f"{told} Change its `join` first.")
