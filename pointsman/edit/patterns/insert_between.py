"""Insert nodes in series: behind one node and before the next."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.edit.patterns.form import Bringing, Placed
from pointsman.edit.patterns.fragment import fragment_of
from pointsman.edit.patterns.gap import gap_of
from pointsman.edit.patterns.rewrite import Rewrite


class InsertBetween(Placed, Bringing):
    """Put new nodes on the edge from one node to another, or at the start or the end.

    What the edge says (`when`, `on`) now decides about the new nodes.
    """

    pattern: Literal["insert_between"] = Field(description="Insert new nodes in series.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        gap, fragment = gap_of(work, self), fragment_of(work, self)
        fragment.add(work)
        gap.fill(work, fragment.entries, fragment.exits)
