"""Add a dependency between two nodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pointsman.definition.model import Cel, Text
from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.refusal import refused
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.way import Way
from pointsman.plan import On

EdgeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.>-]{1,140}$")]


class AddDependency(Pattern):
    """Add an edge: the second node waits for the first one as well."""

    pattern: Literal["add_dependency"] = Field(description="Have a node wait for another one as well.")
    source: Text = Field(alias="from", description="The node to wait for.")
    target: Text = Field(alias="to", description="The node that waits.")
    when: Cel | None = Field(default=None, description="CEL; tried behind the conditions of edges that are there.")
    on: On = Field(default="success", description="How the node must end for the edge to count.")
    id: EdgeName | None = Field(default=None, description="Id of the edge; needed where such an edge is there already.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        work.need({"/from": self.source, "/to": self.target})
        if self.source in work.reached(self.target):
            told = f"`{self.target}` comes before `{self.source}`, and cannot wait for it as well."
            raise refused("EDT046", "/to", f"{told} To repeat what is between them, wrap it in a loop.")
        way = Way(self.source, self.target, self.when, self.on, id=self.id)
        same = [other for other in work.ways if other.key == way.key or other.says_the_same(way)]
        if same:
            told = f"there is an edge `{same[0].key}` already, from `{same[0].source}` to `{same[0].target}`."
            raise refused(
                "EDT045", "/id" if self.id else "/to", f"{told} Give another `id` to one that says other things."
            )
        work.add(way)
