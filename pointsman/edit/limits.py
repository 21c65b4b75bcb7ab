"""What edits may make of one run (SEMANTICS §8.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pointsman.base.errors import Problem
from pointsman.definition import Document, Operation
from pointsman.definition.model import CONTROL_TYPES
from pointsman.definition.patch import segment
from pointsman.definition.positions import pointer_of

AGENT: Final = "agent"
"""The type of nodes that can spend money and, by edit tokens, add others."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much edits may bring. The defaults are those of the settings `POINTSMAN_EDITS_…` of the same names."""

    max_operations: int = 200
    """Of one patch, once a pattern or merge patch has become operations."""
    max_patches: int = 1_000
    """Of one run."""
    max_nodes: int = 2_000
    """Of the definition after the patch. One that has more already may become smaller."""
    node_types: tuple[str, ...] = ()
    """Types that nodes may be added with or changed to, control types aside; none named: all."""
    max_agent_nodes: int = 100
    """Nodes of type `agent` that all patches of a run add together, those removed again included."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the patches of a run have used up so far."""

    patches: int = 0
    agent_nodes: int = 0


def check_limits(
    limits: Limits, operations: Sequence[Operation], before: Document, after: Document, spent: Spent = Spent()
) -> list[Problem]:
    """What an edit brings beyond its limits; empty where it may be taken.

    Args:
        limits: They.
        operations: The patch.
        before: The run's definition.
        after: The same after the patch; it compiles.
        spent: What earlier patches of the run have used up.

    Returns:
        EDT051 to EDT055. Pointers lead into `after`; empty ones are about the patch as a whole.
    """
    return [
        *_patches(limits, operations, spent),
        *_nodes(limits, before, after),
        *_types(limits, before, after),
        *_agents(limits, before, after, spent),
    ]


def agent_nodes_added(before: Document, after: Document) -> int:
    """How many nodes of type `agent` a patch brings: what it adds to `Spent.agent_nodes`."""
    return sum(node["type"] == AGENT for _, node in _brought(before, after))


def _patches(limits: Limits, operations: Sequence[Operation], spent: Spent) -> Iterator[Problem]:
    if len(operations) > limits.max_operations:
        told = f"the patch has {len(operations):,} operations, and {limits.max_operations:,} are allowed."
        yield Problem("EDT051", "", told)
    if spent.patches >= limits.max_patches:
        yield Problem("EDT052", "", f"the run has taken {spent.patches:,} patches, and no more are allowed.")


def _nodes(limits: Limits, before: Document, after: Document) -> Iterator[Problem]:
    count = len(after["nodes"])
    if count > limits.max_nodes and count > len(before["nodes"]):
        told = f"the definition would have {count:,} nodes, and {limits.max_nodes:,} are allowed."
        yield Problem("EDT053", "/nodes", told)


def _types(limits: Limits, before: Document, after: Document) -> Iterator[Problem]:
    if not limits.node_types:
        return
    allowed = {*limits.node_types, *CONTROL_TYPES}
    for index, node in _brought(before, after):
        if node["type"] not in allowed:
            listed = ", ".join(f"`{name}`" for name in limits.node_types)
            told = f"patches may not bring nodes of type `{node['type']}`, only of {listed} and control types."
            yield Problem("EDT054", pointer_of(("nodes", segment(after["nodes"], index), "type")), told)


def _agents(limits: Limits, before: Document, after: Document, spent: Spent) -> Iterator[Problem]:
    added = agent_nodes_added(before, after)
    if added and spent.agent_nodes + added > limits.max_agent_nodes:
        told = (
            f"the patch brings {added:,} nodes of type `{AGENT}`, {spent.agent_nodes:,} came by earlier ones, and "
            f"{limits.max_agent_nodes:,} in all are allowed."
        )
        yield Problem("EDT055", "/nodes", told)


def _brought(before: Document, after: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    """The nodes that are new, or have another type, each with its place."""
    known = {(node["id"], node["type"]) for node in before["nodes"]}
    for index, node in enumerate(after["nodes"]):
        if (node["id"], node["type"]) not in known:
            yield index, node
