"""Changes that could have no effect: of nodes whose every activation is over (SEMANTICS §8)."""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.base.errors import Problem
from pointsman.base.ids import ROOT, NodeId, split_token, token_id
from pointsman.plan import Node
from pointsman.protocol.state import Snapshot
from pointsman.step import Program


def without_effect(old: Program, new: Program, run: Snapshot, after: Snapshot) -> list[Problem]:
    """The nodes that an edit changes or removes although they have ended or were skipped, and come no more.

    `after` is the marking under the new plan: a node that was skipped may go with its skip, or come after all.
    """
    over = [node for node in old.plan.nodes if is_over(old, run, node.id)]
    return [problem for node in over if not _is_skip_undone(node.id, new, run, after) for problem in _told(node, new)]


def _is_skip_undone(node: NodeId, new: Program, run: Snapshot, after: Snapshot) -> bool:
    """Whether a node was skipped, and where the edit leads it is not."""
    token = token_id(ROOT, node)
    if run.results[token].status != "skipped":
        return False
    again = after.results.get(token)
    return node not in new.sites or again is None or again.status != "skipped"


def is_over(program: Program, run: Snapshot, node: NodeId) -> bool:
    """Whether a node can be activated no more: its result stands in the root, and no pass around it is open."""
    result = run.results.get(token_id(ROOT, node))
    if result is None or result.status == "cancelled":
        return False
    beginning = {split_token(token)[1] for token, state in run.tokens.items() if state.state == "beginning"}
    if not run.frames and not beginning:
        return True
    around = _around(program, node)
    return not around & beginning and not any(frame.partition("[")[0] in around for frame in run.frames)


def _around(program: Program, node: NodeId) -> set[NodeId]:
    """The loops that a node is in."""
    return {region.id for region in program.plan.regions if node in region.nodes}


def _told(node: Node, new: Program) -> Iterator[Problem]:
    pointer = f"/nodes/{node.id}"
    site = new.sites.get(node.id)
    if site is None:
        yield Problem("EDT028", pointer, f"node `{node.id}` has ended: history stays, it cannot be removed")
        return
    now = site.node
    if now == node:
        return
    for field in ("type", "config", "context", "kind", "wait", "loop"):
        if getattr(now, field) != getattr(node, field):
            yield Problem(
                "EDT028", f"{pointer}/{field}", f"node `{node.id}` has ended or was skipped: its {field} stays"
            )
    for field in ("retry", "timeout_ms", "deadline_ms", "max_deliveries", "metadata"):
        if getattr(now, field) != getattr(node, field):
            yield Problem("EDT027", f"{pointer}/{field}", f"node `{node.id}` has ended: another {field} has no effect")
