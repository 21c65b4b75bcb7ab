"""`join`: when a node with several in-edges fires (SEMANTICS §3.2)."""

from __future__ import annotations

from typing import Literal

from pointsman.base.ids import FrameId, token_id
from pointsman.plan import Edge
from pointsman.protocol.state import Resolution
from pointsman.step.draft import Draft
from pointsman.step.program import Site

Decision = Literal["fire", "skip", "fail"]


def decide(site: Site, resolved: list[Resolution]) -> Decision | None:
    """What a join does once some of its in-edges have resolved; None while it waits."""
    join, total = site.node.join, len(site.ins)
    live = resolved.count("live")
    if join.mode == "all":
        if len(resolved) < total:
            return None
        if "failed" in resolved:
            return "fail"
        return "fire" if live else "skip"
    needed = 1 if join.mode == "any" else join.count
    if live >= needed:
        return "fire"
    if live + total - len(resolved) >= needed:
        return None
    return "fail" if "failed" in resolved else "skip"


def arrive(draft: Draft, site: Site, frame: FrameId, edge: Edge, how: Resolution) -> Decision | None:
    """Count one more in-edge; the decision if this edge brought it about, None if it changed nothing."""
    token = token_id(frame, site.node.id)
    before = draft.tally(token)
    draft.resolve_in(token, edge.id, how)
    if decide(site, before) is not None:
        return None  # it has fired or was skipped: a late edge is absorbed
    before.append(how)
    return decide(site, before)


def live_edges(draft: Draft, site: Site, frame: FrameId) -> tuple[Edge, ...]:
    """The in-edges that fire a join, as written: whatever order they resolved in, replay finds the same."""
    resolved = draft.resolutions(token_id(frame, site.node.id))
    return tuple(edge for edge in site.ins if resolved.get(edge.id) == "live")
