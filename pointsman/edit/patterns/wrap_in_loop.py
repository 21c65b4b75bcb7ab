"""Wrap nodes in a loop."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pointsman.definition.model import Cel, LoopForm, Names
from pointsman.edit.patterns.form import Nodes, Pattern
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import section_of
from pointsman.edit.patterns.way import Way


class WrapInLoop(Pattern):
    """Repeat a node, or several with one way in and one way out, while a condition is true.

    The last of them closes the loop. Where it closes one already, a new `loop` node behind it does.
    """

    pattern: Literal["wrap_in_loop"] = Field(description="Repeat nodes while a condition is true.")
    nodes: Nodes = Field(description="The node, or the nodes, to be repeated.")
    condition: Cel = Field(description="CEL; true: go round again, while passes are left.")
    max_iterations: int = Field(ge=1, le=1_000_000, description="Passes at most.")
    timeout_path: Names = Field(default=[], description=str(LoopForm.model_fields["timeout_path"].description))

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        section = section_of(work, self.nodes, "/nodes")
        work.need({f"/timeout_path/{index}": name for index, name in enumerate(self.timeout_path)})
        loop: dict[str, Any] = {
            "condition": self.condition,
            "max_iterations": self.max_iterations,
            "loop_back_to": section.entry,
        }
        closing = section.exit
        if section.exit in work.regions:
            closing = work.free_name(f"{section.exit}-again")
            _close_behind(work, section.exit, closing, loop)
        else:
            work.set_field(section.exit, "loop", loop)
        for target in self.timeout_path:
            work.add(Way(closing, target, leave="timeout"))


def _close_behind(work: Rewrite, last: str, closing: str, loop: dict[str, Any]) -> None:
    """Put a node that closes a loop between the last node and what follows it."""
    node: dict[str, Any] = {"id": closing, "type": "loop", "loop": loop}
    route = work.node(last).get("route")
    work.add_node(node if route is None else {**node, "route": route})
    leading_on = [way for way in work.outs(last) if way.leads_on]
    for way in leading_on:
        work.add(Way(closing, way.target, way.when))
    for way in leading_on:
        work.drop(way)
    work.add(Way(last, closing))
