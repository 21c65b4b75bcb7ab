"""Ways: the edges of a definition, wherever in it they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pointsman.plan import Leave, On


@dataclass(slots=True, eq=False)
class Way:
    """An edge, wherever in the definition it is written."""

    source: str
    target: str
    when: str | None = None
    on: On = "success"
    leave: Leave | None = None
    id: str | None = None
    """Its own, None where it goes by `from->to`."""

    @property
    def key(self) -> str:
        """The id it goes by."""
        return self.id or f"{self.source}->{self.target}"

    @property
    def leads_on(self) -> bool:
        """Whether it is for when its source ended well; out of a loop: for when its condition is false."""
        return self.on == "success" and self.leave != "timeout"

    def between(self, source: str, target: str) -> Way:
        """Another way that says the same, between other nodes."""
        return Way(source, target, self.when, self.on, self.leave)

    def says_the_same(self, other: Way) -> bool:
        """Whether one of the two is enough."""
        mine = (self.source, self.target, self.when, self.on, self.leave)
        return mine == (other.source, other.target, other.when, other.on, other.leave)


def written(way: Way) -> dict[str, Any]:
    """A way as an edge is written."""
    said = {"id": way.id, "when": way.when, "on": way.on if way.on != "success" else None, "leave": way.leave}
    return {"from": way.source, "to": way.target} | {field: value for field, value in said.items() if value is not None}
