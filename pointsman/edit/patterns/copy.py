"""Copy nodes to another place."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pointsman.definition.model import Text
from pointsman.edit.patterns.form import Nodes, Placed
from pointsman.edit.patterns.fragment import checked
from pointsman.edit.patterns.gap import gap_of
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import Section, section_of
from pointsman.edit.patterns.way import written


class Copy(Placed):
    """Put copies of a node, or of several with one way in and one way out, on an edge, or at the start or the end.

    Edges between the nodes are copied with them. Expressions in them still read what they read.
    """

    pattern: Literal["copy"] = Field(description="Copy nodes to another place.")
    nodes: Nodes = Field(description="The node, or the nodes, to be copied.")
    names: Annotated[Text | dict[str, Text], Field(alias="as")] = Field(
        description="The id of the copy; for several nodes, an object from each id to that of its copy."
    )

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        section = section_of(work, self.nodes, "/nodes")
        names = self._names(work, section)
        gap = gap_of(work, self)
        nodes = [_copied(work, node, section, names) for node in section.nodes]
        edges = [
            written(way.between(names[way.source], names[way.target]))
            for way in work.ways
            if way.source in section.nodes and way.target in section.nodes
        ]
        checked(work, nodes, edges, "/nodes").add(work)
        gap.fill(work, [names[section.entry]], [names[section.exit]])

    def _names(self, work: Rewrite, section: Section) -> dict[str, str]:
        names = {section.entry: self.names} if isinstance(self.names, str) else self.names
        missing = [node for node in section.nodes if node not in names]
        if missing:
            raise refused("EDT045", "/as", f"`as` says no id for the copy of {listed(missing)}.")
        for index, node in enumerate(section.nodes):
            work.need_new(names[node], "/as", [names[other] for other in section.nodes[:index]])
        return names


def _copied(work: Rewrite, name: str, section: Section, names: dict[str, str]) -> dict[str, Any]:
    """A node under its new id, without what it says of the nodes that follow: that is in the edges."""
    node = {**work.node(name), "id": names[name]}
    node.pop("branch", None)
    if name == section.entry:
        node.pop("join", None)
    if "context" in node:
        node["context"] = [names.get(other, other) for other in node["context"]]
    loop = work.loop_of(name)
    if loop is not None:
        kept = {field: value for field, value in loop.items() if field not in ("break_path", "timeout_path")}
        field = "config" if node.get("loop") is None else "loop"
        node[field] = kept | {"loop_back_to": names[loop["loop_back_to"]]}
    return node
