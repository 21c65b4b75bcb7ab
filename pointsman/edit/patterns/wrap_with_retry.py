"""Wrap nodes with a retry policy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pointsman.base.errors import Problem
from pointsman.definition.model import CONTROL_TYPES
from pointsman.edit.patterns.form import Nodes, Pattern, RetryPolicy
from pointsman.edit.patterns.refusal import refusal
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.edit.patterns.section import pointers_of


class WrapWithRetry(Pattern):
    """Have failed attempts of nodes repeated. A retry policy that a node has already is replaced."""

    pattern: Literal["wrap_with_retry"] = Field(description="Have failed attempts of nodes repeated.")
    nodes: Nodes = Field(description="The node, or the nodes.")
    retry: RetryPolicy = Field(description="How, as in a definition.")

    def rewrite(self, work: Rewrite) -> None:
        """Make the change."""
        places = pointers_of(self.nodes, "/nodes")
        work.need(places)
        control = {at: node for at, node in places.items() if work.node(node)["type"] in CONTROL_TYPES}
        if control:
            raise refusal(
                Problem(
                    "EDT048",
                    at,
                    f"no worker executes `{node}` of type `{work.node(node)['type']}`: it has no attempts to repeat.",
                )
                for at, node in control.items()
            )
        for node in self.nodes:
            work.set_field(node, "retry", self.retry)
