"""Delete nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.edit.patterns.bridge import Bridge
from pointsman.edit.patterns.form import Nodes, Pattern
from pointsman.edit.patterns.refusal import refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import pointers_of


class Delete(Pattern):
    """Take nodes out; what led to them leads to what followed them, under the same conditions as before.

    Their `error` and `timeout` edges go with them.
    """

    pattern: Literal["delete"] = Field(description="Delete nodes and close the gap.")
    nodes: Nodes = Field(description="The node, or the nodes.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        work.need(pointers_of(self.nodes, "/nodes"))
        if set(self.nodes) == set(work.nodes):
            raise refused("EDT046", "/nodes", "these are all the nodes there are; a run would have nothing to do.")
        bridge = Bridge(work, self.nodes, "/nodes")
        bridge.close()
        for node in dict.fromkeys(self.nodes):
            work.drop_node(node)
        bridge.check_ways_in()
