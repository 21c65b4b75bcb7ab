"""Downstream: which activations follow from others, frames included (SEMANTICS §3, §4)."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.base.ids import FrameId, NodeId, TokenId, split_frame, split_token
from pointsman.base.reaching import reached
from pointsman.plan import Plan


class Downstream:
    """The activations that are among some given ones, or come of them."""

    def __init__(self, plan: Plan, origins: Iterable[TokenId]) -> None:
        self._origins = [split_token(token) for token in origins]
        below: dict[NodeId, list[NodeId]] = {}
        for edge in plan.edges:
            below.setdefault(edge.source, []).append(edge.target)
        self._reached = {node: reached([node], lambda found: below.get(found, ())) for _, node in self._origins}

    def covers(self, token: TokenId) -> bool:
        """Whether `token` is one of them, or comes of one."""
        frame, node = split_token(token)
        return any(self._comes_of(frame, node, *origin) for origin in self._origins)

    def _comes_of(self, frame: FrameId, node: NodeId, origin_frame: FrameId, origin: NodeId) -> bool:
        """Of two passes of one loop the later comes of the earlier: every node of a loop leads to its end."""
        for own, other in zip(split_frame(frame), split_frame(origin_frame), strict=False):
            if own != other:
                (loop, iteration), (other_loop, other_iteration) = own, other
                if loop == other_loop:
                    return iteration > other_iteration
                break
        return node in self._reached[origin]
