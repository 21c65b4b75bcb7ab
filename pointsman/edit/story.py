"""The shortest story that goes wrong: why a node would not have been activated on a plan."""

from __future__ import annotations

from pointsman.base.ids import TokenId, split_token, token_id
from pointsman.protocol.state import Snapshot
from pointsman.step import Program
from pointsman.step.program import Site, ancestor


def why_not(state: Snapshot, program: Program, token: TokenId) -> str:
    """Why `token` is neither open nor completed in `state`, the marking a replay ended in."""
    frame, node = split_token(token)
    site = program.sites.get(node)
    if site is None:
        return "the patch removes it"
    if state.is_final:
        return f"the run would have ended {state.head.status}"
    result = state.results.get(token)
    if result is not None and result.status == "skipped":
        return f"it would have been skipped{_because_of(state, program, site, token)}"
    waiting = _awaited(state, site, token)
    if waiting:
        return f"it would wait for {', '.join(f'`{name}`' for name in waiting)}"
    return "nothing would have led to it" + (f" in {frame}" if frame else "")


def _awaited(state: Snapshot, site: Site, token: TokenId) -> list[str]:
    """The nodes whose edges into a join have not resolved."""
    frame = ancestor(split_token(token)[0], site.climb)
    if len(site.ins) < 2:
        return [edge.source for edge in site.ins if token_id(frame, edge.source) not in state.results]
    resolved = state.joins.get(token_id(frame, site.node.id), {})
    return [edge.source for edge in site.ins if edge.id not in resolved]


def _because_of(state: Snapshot, program: Program, site: Site, token: TokenId) -> str:
    """The nearest node upstream that was skipped too, or that chose another way."""
    frame = ancestor(split_token(token)[0], site.climb)
    for edge in site.ins:
        result = state.results.get(token_id(frame, edge.source))
        if result is not None and result.status == "skipped":
            return f", because `{edge.source}` was skipped in this run"
        if result is not None and result.status == "completed":
            return f", because `{edge.source}` took another way in this run"
    return ""
