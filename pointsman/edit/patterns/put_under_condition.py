"""Put nodes under a condition."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.definition.model import Cel, Text
from pointsman.edit.patterns.form import Nodes, Pattern
from pointsman.edit.patterns.gate import gate_for
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import begun_at, section_of
from pointsman.edit.patterns.way import Way


class PutUnderCondition(Pattern):
    """Execute a node, or several with one way in and one way out, only where a condition is true.

    A new `conditional` node before them decides; where the condition is false, the run passes them by. In the
    condition, `output` is what the node before gave.
    """

    pattern: Literal["put_under_condition"] = Field(description="Execute nodes only where a condition is true.")
    nodes: Nodes = Field(description="The node, or the nodes.")
    when: Cel = Field(description="CEL; the nodes are executed only where this is true.")
    gate: Text | None = Field(
        default=None, description="Id of the new `conditional` node; the first node's with `-gate` unless given."
    )

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        section = section_of(work, self.nodes, "/nodes")
        deciding = [way.key for way in section.outs if way.when is not None]
        if deciding:
            told = f"where the condition is false, nothing would decide about {listed(deciding)}."
            raise refused("EDT046", "/nodes", f"{told} Take in all nodes up to where these ways meet again.")
        gate = gate_for(work, self.gate, section.entry)
        join = work.node(section.entry).get("join")
        work.add_node({"id": gate, "type": "conditional"} | ({} if join is None else {"join": join}))
        work.set_field(section.entry, "join", None)
        for loop in begun_at(work, section):
            work.begin_loop_at(loop, gate)
        for way in section.ins:
            work.lead(way, [gate])
        work.add(Way(gate, section.entry, self.when))
        for target in section.targets:
            work.add(Way(gate, target))
