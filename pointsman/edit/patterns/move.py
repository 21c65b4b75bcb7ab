"""Move nodes to another place."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.edit.patterns.bridge import Bridge
from pointsman.edit.patterns.form import Nodes, Placed
from pointsman.edit.patterns.gap import gap_of
from pointsman.edit.patterns.refusal import refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import section_of


class Move(Placed):
    """Take a node, or several with one way in and one way out, to an edge elsewhere, or to the start or the end.

    The place they leave is closed as in `delete`. Their `error` and `timeout` edges go with them.
    """

    pattern: Literal["move"] = Field(description="Move nodes to another place.")
    nodes: Nodes = Field(description="The node, or the nodes.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        for pointer, name in {"/from": self.source, "/to": self.target}.items():
            if name in self.nodes:
                raise refused("EDT046", pointer, f"`{name}` is one of the nodes to be moved. Name one that stays.")
        section = section_of(work, self.nodes, "/nodes")
        bridge = Bridge(work, section.nodes, "/nodes")
        bridge.close()
        for way in bridge.outs:
            work.drop(way)
        work.set_field(section.entry, "join", None)
        gap_of(work, self).fill(work, [section.entry], [section.exit])
        bridge.check_ways_in()
