"""Replace nodes by others."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.edit.patterns.bridge import check_ways_in, led_to
from pointsman.edit.patterns.form import Bringing, Nodes
from pointsman.edit.patterns.fragment import Fragment, fragment_of
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import Section, begun_at, section_of
from pointsman.edit.patterns.way import Way


class Replace(Bringing):
    """Put new nodes in the place of a node, or of several with one way in and one way out.

    The place stays as it is: the edges that lead there and on, `join`, `route` and the loop that a single node closes.
    """

    pattern: Literal["replace"] = Field(description="Put new nodes in the place of others.")
    nodes: Nodes = Field(description="The node, or the nodes, to be replaced.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        if len(self.nodes) == 1 and self.node is not None:
            self._replace_one(work, self.nodes[0])
            return
        section = section_of(work, self.nodes, "/nodes")
        _replace_section(work, section, fragment_of(work, self))

    def _replace_one(self, work: Rewrite, old: str) -> None:
        work.need({"/nodes": old})
        fragment = fragment_of(work, self, replaced=old)
        [node], [(new, form)] = fragment.nodes, fragment.graph.nodes.items()
        work.write_out(old)
        place = {field: work.node(old).get(field) for field in ("join", "route")}
        loop = work.loop_of(old)
        if loop is not None and form.loop is None:
            place["loop"] = {**loop, "loop_back_to": new} if loop["loop_back_to"] == old else loop
        kept = {field: value for field, value in place.items() if value is not None and field not in node}
        around = [region.id for region in work.regions.values() if region.entry == old and region.id != old]
        work.replace_node(old, {**node, **kept})
        for region in around if new != old else ():
            work.begin_loop_at(region, new)


def _replace_section(work: Rewrite, section: Section, fragment: Fragment) -> None:
    entries, exits = fragment.entries, fragment.exits
    before = led_to(work)
    leaving = [way for way in work.outs(section.exit) if way.target not in section.nodes and way.leave != "timeout"]
    deciding = [way for way in leaving if way.when is not None or way.on != "success"]
    if deciding and len(exits) != 1:
        told = (
            f"{listed(way.key for way in deciding)} read how one node ended, and the new ones end at {listed(exits)}."
        )
        raise refused("EDT046", "/fragment", f"{told} Let them meet in one.")
    loops = begun_at(work, section)
    if loops and len(entries) != 1:
        told = f"each pass of the loop that `{loops[0]}` closes begins at one node, and the new ones begin at"
        raise refused("EDT046", "/fragment", f"{told} {listed(entries)}.")
    fragment = fragment.with_fields(entries, {"join": work.node(section.entry).get("join")})
    fragment = fragment.with_fields(exits, {"route": work.node(section.exit).get("route")})
    fragment.add(work)
    for loop in loops:
        work.begin_loop_at(loop, entries[0])
    for way in section.ins:
        work.lead(way, entries)
    for exit_ in exits:
        for way in leaving:
            work.add(Way(exit_, way.target, way.when, way.on))
    for node in section.nodes:
        work.drop_node(node)
    check_ways_in(work, before, "/nodes")
