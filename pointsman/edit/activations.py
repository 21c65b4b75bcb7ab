"""Which activations a run has had, out of its events, and which of them failed for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pointsman.base.ids import FrameId, NodeId, TokenId, is_within, split_frame, split_token, token_id
from pointsman.plan import Plan
from pointsman.protocol.state import Result
from pointsman.protocol.transition import Transition


def activations(plan: Plan, events: Iterable[Transition]) -> dict[NodeId, list[TokenId]]:
    """The activations of each node of `plan` that was ever activated, the latest last; a skip is none."""
    homes, found = _homes(plan), dict[NodeId, dict[TokenId, None]]()
    for change in events:
        for record in change.kept:
            if record.token is not None:
                _note(found, homes, record.token)
        for token in change.opened:
            _note(found, homes, token)
        for token, result in _ended(homes, change):
            if result.status != "skipped":
                _note(found, homes, token)
    return {node: list(tokens) for node, tokens in found.items()}


def failed_for_good(plan: Plan, events: Iterable[Transition]) -> tuple[TokenId, ...]:
    """The activations whose failure no edge took: they ended the run, or doomed it."""
    homes, found = _homes(plan), dict[TokenId, None]()
    for change in events:
        if change.failed or change.status == "FAILED":
            found.update((token, None) for token, result in _ended(homes, change) if result.status == "failed")
    return tuple(found)


Homes = dict[NodeId, list[NodeId]]
"""The loops around each node, outer first."""


def _homes(plan: Plan) -> Homes:
    return {node.id: [region.id for region in plan.regions if node.id in region.nodes] for node in plan.nodes}


def _note(found: dict[NodeId, dict[TokenId, None]], homes: Homes, token: TokenId) -> None:
    frame, node = split_token(token)
    if _is_home(homes, node, frame):
        found.setdefault(node, {})[token] = None


def _is_home(homes: Homes, node: NodeId, frame: FrameId) -> bool:
    return homes.get(node) == [loop for loop, _ in split_frame(frame)]


def _ended(homes: Homes, change: Transition) -> Iterator[tuple[TokenId, Result]]:
    """What ended, each under its own id: a pass that ended has handed its results up to the frame around it."""
    for token, result in change.ended.items():
        frame, node = split_token(token)
        if _is_home(homes, node, frame):
            yield token, result
            continue
        for ended in change.frames_ended:
            if is_within(ended, frame) and _is_home(homes, node, ended):
                yield token_id(ended, node), result
