"""Activation: what follows from edges that resolved, one at a time, until nothing more does."""

from __future__ import annotations

from typing import assert_never

from pointsman.base.ids import EdgeId, FrameId, TokenId, pass_frame, split_frame, token_id
from pointsman.plan import Edge
from pointsman.protocol.state import ErrorInfo
from pointsman.step.draft import MAX_PASSES, Arrival, Beginning, Draft
from pointsman.step.ending import complete, end_run, skip
from pointsman.step.join import Decision, arrive, live_edges
from pointsman.step.loop import begin_due_pass, postpone_due_passes
from pointsman.step.parallel import passed_through
from pointsman.step.program import Site
from pointsman.step.task import activate_task
from pointsman.step.values import sources_of
from pointsman.step.wait import activate_wait


def run_queue(draft: Draft) -> None:
    """Work off what follows. Ends when nothing does, when the run has ended, or when a guard of the run trips.

    Passes begin one at a time and only when nothing else is left to do: what a transition may not begin any more waits
    as one token a loop, and the outcome is the same wherever the line is drawn.
    """
    begun = 0
    _follow(draft)
    while draft.due and not draft.is_over and begun < MAX_PASSES:
        begin_due_pass(draft)
        begun += 1
        _follow(draft)
    postpone_due_passes(draft)


def _follow(draft: Draft) -> None:
    while draft.queue and not draft.is_over:
        item = draft.queue.popleft()
        if not draft.has_frame(item.frame):
            continue  # it ended while this was waiting: a branch that an `any` join absorbed
        match item:
            case Arrival(edge, frame, how):
                site = draft.program.sites[edge.target]
                if len(site.ins) == 1:
                    _deliver(draft, site, frame, (edge,), _ALONE[how])
                elif (decision := arrive(draft, site, frame, edge, how)) is not None:
                    _deliver(draft, site, frame, live_edges(draft, site, frame), decision)
            case Beginning(site, frame):
                _fire(draft, site, frame, ())
            case _:
                assert_never(item)


_ALONE: dict[str, Decision] = {"live": "fire", "dead": "skip", "failed": "fail"}


def _deliver(draft: Draft, site: Site, frame: FrameId, edges: tuple[Edge, ...], decision: Decision) -> None:
    match decision:
        case "fire":
            _fire(draft, site, frame, tuple(edge.id for edge in edges))
        case "skip":
            skip(draft, site, frame, "dead")
        case "fail":
            skip(draft, site, frame, "failed")
        case _:
            assert_never(decision)


def _enter(draft: Draft, site: Site, frame: FrameId) -> FrameId:
    """The frame a node is activated in: a first pass is opened of each region it is the entry of and not yet in."""
    inside = {region for region, _ in split_frame(frame)}
    for region in site.enters:
        if region not in inside:
            frame = pass_frame(frame, region, 1)
            draft.open_frame(frame, 1)
    return frame


def _fire(draft: Draft, site: Site, frame: FrameId, edges: tuple[EdgeId, ...]) -> None:
    activate(draft, site, token_id(_enter(draft, site, frame), site.node.id), edges)


def activate(draft: Draft, site: Site, token: TokenId, edges: tuple[EdgeId, ...]) -> None:
    """Activate a node in a frame that is open: `edges` are those that fired it."""
    draft.tokens_made += 1
    if _trips_guard(draft):
        return
    kind = site.node.kind
    match kind:
        case "task":
            activate_task(draft, site, token, edges)
        case "wait":
            activate_wait(draft, site, token, edges)
        case "conditional" | "loop" | "parallel" | "join":
            complete(draft, site, token, passed_through(draft, sources_of(draft, site, token, edges)))
        case _:
            assert_never(kind)


def _trips_guard(draft: Draft) -> bool:
    """End the run where it has outgrown what its definition allows (SEMANTICS §4)."""
    guards, head = draft.program.plan.guards, draft.run.head
    tokens, passes = head.tokens_made + draft.tokens_made, head.passes_made + draft.passes_made
    if tokens > guards.max_tokens:
        told = f"it made {tokens} tokens, its limit max_tokens is {guards.max_tokens}"
    elif passes > guards.max_loop_iterations:
        told = f"its loops made {passes} passes, its limit max_loop_iterations is {guards.max_loop_iterations}"
    else:
        return False
    end_run(draft, "FAILED", ErrorInfo("guard_tripped", told + "; the run was stopped"), "run_failed")
    return True
