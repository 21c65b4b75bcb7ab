"""Passes that ended, replayed as their recorded outcome: what happened inside them is no longer kept (SEMANTICS §8)."""

from __future__ import annotations

from pointsman.base.ids import FrameId, Millis, NodeId, parent_frame, split_pass, token_id
from pointsman.plan import Region
from pointsman.protocol.history import EndedPass
from pointsman.protocol.state import ErrorInfo, Result, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import Program
from pointsman.step.activation import run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import Draft
from pointsman.step.ending import conclude_pass, fail, skip_out
from pointsman.step.loop import postpone_due_passes
from pointsman.step.program import Site


def assume_pass(program: Program, state: Snapshot, ended: EndedPass, run: Snapshot, at: Millis) -> Transition | None:
    """End the pass that is open in `state` as the recorded one ended; None where this plan has none open there.

    Passes before the recorded one are not kept: whichever is open stands for it.
    """
    loop, iteration = split_pass(ended.frame)
    parent = parent_frame(ended.frame)
    region = program.regions.get(loop)
    frame = _open_pass(state, region, parent)
    if region is None or frame is None:
        return None
    draft = Draft(program, state, at)
    _discard(draft, region, frame)
    draft.open_frame(ended.frame, iteration)
    for node, result in left_behind(program, ended, run).items():
        draft.ended[token_id(ended.frame, node)] = result
    _conclude(draft, program.sites[loop], ended, iteration)
    run_queue(draft)
    settle(draft)
    return draft.finish("pass", None)


def left_behind(program: Program, ended: EndedPass, run: Snapshot) -> dict[NodeId, Result]:
    """What a pass that ended has left of its nodes' results: they stand in the frame around it."""
    region = program.regions.get(split_pass(ended.frame)[0])
    parent = parent_frame(ended.frame)
    found = {node: run.results.get(token_id(parent, node)) for node in (region.nodes if region is not None else ())}
    return {node: result for node, result in found.items() if result is not None}


def _open_pass(state: Snapshot, region: Region | None, parent: FrameId) -> FrameId | None:
    for frame in state.frames:
        if region is not None and parent_frame(frame) == parent and split_pass(frame)[0] == region.id:
            return frame
    return None


def _discard(draft: Draft, region: Region, frame: FrameId) -> None:
    """Take back what a replay has activated in a pass whose recorded outcome is known."""
    for inner in draft.frames_within(f"{frame}/"):
        draft.end_frame(inner)
    for token in [name for name, _ in draft.tokens() if name.startswith((f"{frame}:", f"{frame}/"))]:
        draft.close_token(token)
    within = f"{frame}/"
    for token in [name for name in (*draft.run.results, *draft.ended) if name.startswith(within)]:
        draft.forget(token)
    for token in [name for name in (*draft.run.joins, *draft.joined) if name.startswith(within)]:
        draft.forget_join(token)
    for node in region.nodes:
        draft.forget(token_id(frame, node))
        draft.forget_join(token_id(frame, node))
    draft.end_frame(frame)


def _conclude(draft: Draft, site: Site, ended: EndedPass, iteration: int) -> None:
    token = token_id(ended.frame, site.node.id)
    result = draft.result(token) or Result("skipped")
    told = {note.kind: note.detail for note in ended.notes if note.node == site.node.id}
    if told.get("pass_started") == iteration + 1:
        conclude_pass(draft, site, token, "again", result)
    elif told.get("pass_due") == iteration + 1:
        conclude_pass(draft, site, token, "again", result)
        postpone_due_passes(draft)
    elif "pass_ended" in told:
        conclude_pass(draft, site, token, told["pass_ended"], result)
    elif result.status == "failed":
        error = result.error or ErrorInfo("error")
        fail(draft, site, token, error, timed_out=error.type == "timeout", attempt=result.attempt)
    else:
        skip_out(draft, site, token, "failed" if result.reason == "upstream_failed" else "dead")
