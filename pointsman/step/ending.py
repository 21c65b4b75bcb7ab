"""What happens when a node ends: its out-edges resolve, its loop goes on, its failure is handled (SEMANTICS §3–6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from pointsman.base.ids import FrameId, TokenId, split_token
from pointsman.plan import Edge
from pointsman.protocol.dead_letter import DeadToken
from pointsman.protocol.state import ErrorInfo, OpenToken, Resolution, Result, RunStatus
from pointsman.step.conditional import ConditionsFailed, choose
from pointsman.step.draft import Arrival, Draft
from pointsman.step.loop import Verdict, begin_next_pass, cancel, end_pass, judge
from pointsman.step.program import Site
from pointsman.step.values import error_value, value_of


def complete(draft: Draft, site: Site, token: TokenId, result: Result) -> None:
    """A node ended well."""
    draft.end(token, result)
    if site.closes is not None:
        _complete_pass(draft, site, token, result)
    elif site.is_branching:
        _branch(draft, site, token, result, site.out)
    else:
        _leave(draft, site, token, ((edge, "live") for edge in site.out))


def skip(draft: Draft, site: Site, frame: FrameId, how: Resolution) -> None:
    """A node will never be activated in `frame`; with the entry of a loop goes the whole loop (SEMANTICS §3.3)."""
    if not site.enters:
        token = TokenId(f"{frame}:{site.node.id}")
        _skip(draft, token, how)
        skip_out(draft, site, token, how)
        return
    region = draft.program.regions[site.enters[0]]
    for node in region.nodes:
        _skip(draft, TokenId(f"{frame}:{node}"), how)
    resolve(draft, frame, ((edge, how) for edge in draft.program.sites[region.id].out))


def _skip(draft: Draft, token: TokenId, how: Resolution) -> None:
    reason = "upstream_failed" if how == "failed" else "no_live_edge"
    before = draft.result(token)
    # An edit took the node away and brought it back: attempts are counted on, should yet another edit activate it.
    draft.end(token, Result("skipped", before.attempt if before else 0, ended_at=draft.now, reason=reason))


def skip_out(draft: Draft, site: Site, token: TokenId, how: Resolution) -> None:
    """Resolve every out-edge of a node that was skipped alike."""
    _leave(draft, site, token, ((edge, how) for edge in site.out))


def fail(
    draft: Draft, site: Site, token: TokenId, error: ErrorInfo, *, timed_out: bool = False, attempt: int = 1
) -> None:
    """A node failed for good: an `on:` edge takes it, or the failure policy decides (SEMANTICS §6)."""
    policy = site.node.failure_policy or draft.program.plan.failure_policy
    handled = _handlers(draft, site, token, error, timed_out)
    if handled is None and policy == "park":
        _park(draft, site, token, error, attempt)
        return
    if handled is None:
        draft.dead.append(DeadToken(token, attempt, error, site.node.type))
    state = draft.token(token) or draft.run.tokens.get(token)
    started = state.activated_at if state is not None else draft.now
    draft.end(token, Result("failed", attempt, started, draft.now, error=error))
    if handled is not None:
        _leave(draft, site, token, handled)
    elif policy == "continue":
        draft.error = draft.error or draft.run.head.error or _failure_of(site, error)
        draft.failed = True
        _leave(draft, site, token, ((edge, "failed") for edge in site.out))
    else:
        end_run(draft, "FAILED", _failure_of(site, error), "run_failed")


def end_run(draft: Draft, status: RunStatus, error: ErrorInfo | None, reason: str) -> None:
    """Close whatever is open and make the run final."""
    for token, state in draft.tokens():
        cancel(draft, token, state, reason)
    draft.queue.clear()
    draft.due.clear()
    draft.more = False
    draft.status, draft.error = status, error


def resolve(draft: Draft, frame: FrameId, resolved: Iterable[tuple[Edge, Resolution]]) -> None:
    """Queue edges that resolved in `frame`; their targets hear of it when their turn comes."""
    draft.queue.extend(Arrival(edge, frame, how) for edge, how in resolved)


def _leave(draft: Draft, site: Site, token: TokenId, resolved: Iterable[tuple[Edge, Resolution]]) -> None:
    """Resolve the out-edges of a node that ended; one that closes a loop ends its pass first."""
    frame = split_token(token)[0]
    if site.closes is not None:
        frame = end_pass(draft, site.closes, frame)
    resolve(draft, frame, resolved)


def _complete_pass(draft: Draft, site: Site, token: TokenId, result: Result) -> None:
    try:
        verdict = judge(draft, site, token, _output_of(draft, token))
    except ConditionsFailed:
        message = "what the condition of its loop reads is in the blob store no more"
        fail(draft, site, token, ErrorInfo("condition_error", message), attempt=result.attempt)
        return
    conclude_pass(draft, site, token, verdict, result)


def conclude_pass(draft: Draft, site: Site, token: TokenId, verdict: Verdict, result: Result) -> None:
    """Go on as `verdict` says from a pass whose last node has ended: into another pass, or out by one of two paths."""
    assert site.closes is not None
    assert site.node.loop is not None
    if verdict == "again":
        begin_next_pass(draft, site.closes, split_token(token)[0])
        return
    draft.note("pass_ended", token, verdict)
    candidates = [edge for edge in site.out if edge.on == "success" and (edge.leave or "break") == verdict]
    if verdict == "timeout" and not candidates:
        passes = site.node.loop.max_iterations
        told = f"its condition was still true after {passes} passes, and no timeout_path is set"
        fail(draft, site, token, ErrorInfo("loop_exhausted", told), attempt=result.attempt)
        return
    _branch(draft, site, token, result, candidates)


def _branch(draft: Draft, site: Site, token: TokenId, result: Result, edges: Iterable[Edge]) -> None:
    candidates = [edge for edge in edges if edge.on == "success"]
    try:
        resolved = choose(draft, site.node.route, candidates, token, _output_of(draft, token))
    except ConditionsFailed:
        message = "no condition on its out-edges could be evaluated to true, and no edge stands without one"
        fail(draft, site, token, ErrorInfo("condition_error", message), attempt=result.attempt)
        return
    _leave(draft, site, token, _with_rest(site, resolved))


def _with_rest(site: Site, chosen: Iterable[tuple[Edge, Resolution]]) -> list[tuple[Edge, Resolution]]:
    """The out-edges of a node, as written: those chosen from resolve as they did, all others dead."""
    known = {edge.id: how for edge, how in chosen}
    return [(edge, known.get(edge.id, "dead")) for edge in site.out]


def _handlers(
    draft: Draft, site: Site, token: TokenId, error: ErrorInfo, timed_out: bool
) -> list[tuple[Edge, Resolution]] | None:
    """The out-edges as an `on:` edge that takes the failure resolves them; None where none takes it."""
    takers = [edge for edge in site.out if timed_out and edge.on == "timeout"]
    takers = takers or [edge for edge in site.out if edge.on == "error"]
    try:
        chosen = choose(draft, site.node.route, takers, token, lambda: error_value(error))
    except ConditionsFailed:
        return None
    return _with_rest(site, chosen) if any(how == "live" for _, how in chosen) else None


def _output_of(draft: Draft, token: TokenId) -> Callable[[], Any]:
    return lambda: value_of(draft, token)


def _failure_of(site: Site, error: ErrorInfo) -> ErrorInfo:
    told = f"node `{site.node.id}` failed"
    return ErrorInfo(error.type, f"{told}: {error.message}" if error.message else told)


def _park(draft: Draft, site: Site, token: TokenId, error: ErrorInfo, attempt: int) -> None:
    """Leave the token open as a dead letter: the run waits for somebody to redrive or skip it."""
    state = draft.token(token) or draft.run.tokens.get(token) or OpenToken("parked", attempt, activated_at=draft.now)
    for timer, armed in state.timers.items():
        draft.disarm(timer, armed)
    # A node whose completion was taken before it failed (by its conditions, say) takes no second one; what it brought
    # stays beside the token, for whoever looks and for replay.
    taken = draft.ended.get(token)
    if taken is not None:
        draft.ended[token] = replace(taken, status="failed", error=error)
    least = state.attempt + 1 if taken is not None else state.min_attempt
    draft.set_token(token, replace(state, state="parked", type="", min_attempt=least, timers={}, error=error))
    draft.dead.append(DeadToken(token, state.attempt, error, site.node.type, is_parked=True))
    draft.note("node_parked", token, {"type": error.type})
