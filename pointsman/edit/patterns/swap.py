"""Swap two nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.definition.model import Text
from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import pointers_of


class Swap(Pattern):
    """Let two nodes change places. Edges, `join` and where loops begin belong to the place; all else to the node."""

    pattern: Literal["swap"] = Field(description="Let two nodes change places.")
    nodes: list[Text] = Field(min_length=2, max_length=2, description="The two nodes.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        work.need(pointers_of(self.nodes, "/nodes"))
        one, other = self.nodes
        if one == other:
            raise refused("EDT046", "/nodes", f"`{one}` cannot change places with itself.")
        for node in self.nodes:
            _refuse_deciding(work, node)
        places = {one: other, other: one}
        for way in [way for way in work.ways if way.source in places or way.target in places]:
            source, target = places.get(way.source, way.source), places.get(way.target, way.target)
            work.reconnect(way, source=source, target=target)
        for region in work.regions.values():
            if region.entry in places:
                work.begin_loop_at(region.id, places[region.entry])
        joins = [work.node(node).get("join") for node in self.nodes]
        if joins[0] != joins[1]:
            work.set_field(one, "join", joins[1])
            work.set_field(other, "join", joins[0])


def _refuse_deciding(work: Rewrite, node: str) -> None:
    """Refuse a node whose output decides what follows: in another place it would decide something else."""
    if node in work.regions:
        raise refused("EDT046", "/nodes", f"`{node}` closes a loop, whose condition reads its output.")
    deciding = [way.key for way in work.outs(node) if way.when is not None]
    if deciding:
        told = f"the conditions of {listed(deciding)} read the output of `{node}`, and would read another's."
        raise refused("EDT046", "/nodes", f"{told} Change them first, or move the node.")
