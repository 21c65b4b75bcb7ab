"""Insert nodes that are executed only where a condition is true."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.definition.model import Cel, Text
from pointsman.edit.patterns.form import Bringing, Placed
from pointsman.edit.patterns.fragment import fragment_of
from pointsman.edit.patterns.gap import gap_of
from pointsman.edit.patterns.gate import gate_for
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.way import Way


class InsertConditional(Placed, Bringing):
    """Put new nodes on an edge behind a new `conditional` node; where its condition is false, the run passes them by.

    In the condition, `output` is what the node before gave.
    """

    pattern: Literal["insert_conditional"] = Field(description="Insert new nodes under a condition.")
    when: Cel = Field(description="CEL; the new nodes are executed only where this is true.")
    gate: Text | None = Field(
        default=None, description="Id of the new `conditional` node; the first new node's with `-gate` unless given."
    )

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        gap, fragment = gap_of(work, self), fragment_of(work, self)
        gate = gate_for(work, self.gate, fragment.entries[0], {node["id"] for node in fragment.nodes})
        work.add_node({"id": gate, "type": "conditional"})
        fragment.add(work)
        gap.enter(work, [gate])
        for entry in fragment.entries:
            work.add(Way(gate, entry, self.when))
        gap.leave(work, [gate, *fragment.exits])
