"""Remove a dependency between two nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.definition.model import Text
from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.gap import way_between
from pointsman.edit.patterns.refusal import refused
from pointsman.edit.patterns.rewrite import Rewrite


class RemoveDependency(Pattern):
    """Take out an edge: the second node does not wait for the first one any more."""

    pattern: Literal["remove_dependency"] = Field(description="Have a node not wait for another one any more.")
    source: Text = Field(alias="from", description="The node that is waited for.")
    target: Text = Field(alias="to", description="The node that waits.")
    edge: Text | None = Field(default=None, description="The id of the edge, where several lead from `from` to `to`.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        way = way_between(work, self.source, self.target, self.edge)
        if len(work.ins(self.target)) == 1:
            told = f"nothing else leads to `{self.target}`, so it would begin with the run."
            raise refused("EDT047", "/to", f"{told} Delete it, move it, or first lead another way there.")
        work.drop(way)
