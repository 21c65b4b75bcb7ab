"""Insert nodes beside others: they begin together, and what follows waits for both."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.edit.patterns.form import Bringing, Nodes
from pointsman.edit.patterns.fragment import fragment_of
from pointsman.edit.patterns.refusal import listed, refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import begun_at, counts_its_ways, section_of
from pointsman.edit.patterns.way import Way


class InsertParallel(Bringing):
    """Put new nodes beside a node, or beside several that have one way in and one way out."""

    pattern: Literal["insert_parallel"] = Field(description="Insert new nodes in parallel to others.")
    to: Nodes = Field(description="The node, or the nodes, beside which they are to run.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        section, fragment = section_of(work, self.to, "/to"), fragment_of(work, self)
        loops = begun_at(work, section)
        if loops:
            told = f"each pass of the loop that `{loops[0]}` closes begins at `{section.entry}` alone."
            raise refused("EDT046", "/to", f"{told} Insert the new nodes behind it, or before the loop.")
        deciding = [way for way in section.outs if way.when is not None]
        if deciding:
            told = f"what follows `{section.exit}` depends on {listed(way.key for way in deciding)}."
            raise refused("EDT046", "/to", f"{told} Take in all nodes up to where these ways meet again.")
        if counts_its_ways(work, section.entry):
            fragment = fragment.with_fields(fragment.entries, {"join": work.node(section.entry)["join"]})
        fragment.add(work)
        for way in section.ins:
            work.lead(way, [section.entry, *fragment.entries])
        for exit_ in fragment.exits:
            for target in section.targets:
                work.add(Way(exit_, target))
