"""Change a condition."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from pointsman.definition.model import Cel, Text
from pointsman.edit.patterns.form import Pattern
from pointsman.edit.patterns.gap import way_between
from pointsman.edit.patterns.refusal import refused
from pointsman.edit.patterns.rewrite import Rewrite


class ChangeCondition(Pattern):
    """Change the condition of an edge, or that of a loop."""

    pattern: Literal["change_condition"] = Field(description="Change the condition of an edge or a loop.")
    source: Text | None = Field(default=None, alias="from", description="The node that the edge comes from.")
    target: Text | None = Field(default=None, alias="to", description="The node that it leads to.")
    edge: Text | None = Field(default=None, description="The id of the edge, where several lead from `from` to `to`.")
    loop: Text | None = Field(default=None, description="In place of these: the node that closes the loop.")
    when: Cel | None = Field(description="The new condition, in CEL; null: the edge has none any more.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        names = self.source, self.target, self.edge
        is_edge = self.source is not None and self.target is not None
        if is_edge == (self.loop is not None) or (self.loop is not None and names != (None, None, None)):
            raise PydanticCustomError("wanted", "{what}", {"what": "a request with either `from` and `to`, or `loop`"})
        if self.loop is not None and self.when is None:
            raise PydanticCustomError("wanted", "{what}", {"what": "a condition, which a loop cannot be without"})
        return self

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        if self.loop is not None and self.when is not None:
            work.need({"/loop": self.loop})
            if work.loop_of(self.loop) is None:
                raise refused("EDT042", "/loop", f"`{self.loop}` closes no loop.")
            work.set_loop_condition(self.loop, self.when)
        elif self.source is not None and self.target is not None:
            work.set_condition(way_between(work, self.source, self.target, self.edge), self.when)
