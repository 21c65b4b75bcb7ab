"""The layers of a plan: each node below everything that leads to it, and what passes by on the way further down."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from pointsman.base.ids import NodeId
from pointsman.plan import Plan


class Slot(NamedTuple):
    """A place in a layer: a node, or (`passing`) the edges of a node further up on their way down."""

    node: NodeId
    passing: bool = False


class Layers(NamedTuple):
    """The rows from top to bottom, and for each the links to the next, as indexes into the two."""

    rows: list[list[Slot]]
    links: list[set[tuple[int, int]]]


def layers_of(plan: Plan) -> Layers:
    """Place every node of a plan. The way back of a loop is no edge, so the edges have no cycle."""
    depth = _depths(plan)
    count = max(depth.values(), default=-1) + 1
    rows: list[dict[Slot, None]] = [{} for _ in range(count)]
    steps: list[set[tuple[Slot, Slot]]] = [set() for _ in range(count)]
    for node in plan.nodes:
        rows[depth[node.id]][Slot(node.id)] = None
    for edge in plan.edges:
        upper = Slot(edge.source)
        for level in range(depth[edge.source], depth[edge.target]):
            lower = Slot(edge.target) if level + 1 == depth[edge.target] else Slot(edge.source, passing=True)
            rows[level + 1][lower] = None
            steps[level].add((upper, lower))
            upper = lower
    return _ordered(rows, steps)


def _depths(plan: Plan) -> dict[NodeId, int]:
    """For each node the number of edges on the longest way to it."""
    targets: dict[NodeId, list[NodeId]] = defaultdict(list)
    missing = {node.id: 0 for node in plan.nodes}
    for edge in plan.edges:
        targets[edge.source].append(edge.target)
        missing[edge.target] += 1
    depth = dict.fromkeys(missing, 0)
    ready = [node for node, count in missing.items() if not count]
    while ready:
        source = ready.pop()
        for target in targets[source]:
            depth[target] = max(depth[target], depth[source] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    return depth


def _ordered(rows: list[dict[Slot, None]], steps: list[set[tuple[Slot, Slot]]]) -> Layers:
    """Put each row's slots below those they come from, as far as one pass downwards can do that."""
    ordered = [list(row) for row in rows[:1]]
    links: list[set[tuple[int, int]]] = []
    for row, pairs in zip(rows[1:], steps, strict=False):
        above = {slot: index for index, slot in enumerate(ordered[-1])}
        sources: dict[Slot, list[int]] = defaultdict(list)
        for upper, lower in pairs:
            sources[lower].append(above[upper])
        slots = sorted(row, key=lambda slot: sum(sources[slot]) / len(sources[slot]))
        below = {slot: index for index, slot in enumerate(slots)}
        links.append({(above[upper], below[lower]) for upper, lower in pairs})
        ordered.append(slots)
    return Layers(ordered, [*links, *[set() for _ in rows[:1]]])
