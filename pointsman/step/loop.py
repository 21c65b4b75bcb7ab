"""`loop`: a node that closes a region decides whether another pass follows (SEMANTICS §4).

Each pass is a frame of its own. When it ends, what is still open in it is closed, its results become visible in the
parent frame under the same node ids, and nothing of it remains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec.structs import replace

from pointsman.base.ids import FrameId, NodeId, TokenId, parent_frame, pass_frame, split_pass, split_token, token_id
from pointsman.plan import Region
from pointsman.protocol.output import EMPTY, inline
from pointsman.protocol.state import OpenToken, Result
from pointsman.step.conditional import evaluate_condition
from pointsman.step.draft import Beginning, Draft, Due
from pointsman.step.program import Site
from pointsman.step.values import passed_on

Verdict = Literal["again", "break", "timeout"]


def judge(draft: Draft, site: Site, token: TokenId, output: Callable[[], Any]) -> Verdict:
    """What follows the pass that `token`, of the node that closes the loop, ended. A condition that raises breaks."""
    loop = site.node.loop
    assert loop is not None, f"{site.node.id} closes a region without a loop"
    _, iteration = split_pass(split_token(token)[0])
    if not evaluate_condition(draft, loop.condition, token, output, f"loop {site.node.id}"):
        return "break"
    return "again" if iteration < loop.max_iterations else "timeout"


def begin_next_pass(draft: Draft, region: Region, frame: FrameId) -> None:
    """End the pass `frame`; the one after it begins once all else that follows from this step is worked off."""
    _, iteration = split_pass(frame)
    parent = end_pass(draft, region, frame)
    draft.due[token_id(parent, region.id)] = Due(region, parent, iteration + 1)


def begin_due_pass(draft: Draft) -> None:
    """Begin one of the passes that are due: of several loops that with the least id, whatever order they came in."""
    loop = min(draft.due)
    region, parent, iteration = draft.due.pop(loop)
    if not draft.has_frame(parent):
        return  # it ended while this was waiting: a branch that an `any` join absorbed
    following = pass_frame(parent, region.id, iteration)
    draft.open_frame(following, iteration)
    draft.note("pass_started", loop, iteration)
    draft.queue.append(Beginning(draft.program.sites[region.entry], following))


def postpone_due_passes(draft: Draft) -> None:
    """Keep the passes that are due for the next transition: each loop is an open token until then."""
    for loop, (_, parent, iteration) in draft.due.items():
        if draft.has_frame(parent):
            state = OpenToken("beginning", attempt=0, activated_at=draft.now, iteration=iteration)
            draft.set_token(loop, state)
            draft.note("pass_due", loop, iteration)
            draft.more = not draft.is_paused or draft.more
    draft.due.clear()


def take_up(draft: Draft, loop: TokenId, state: OpenToken) -> None:
    """Go on with a loop that stands between two passes."""
    draft.close_token(loop)
    frame, node = split_token(loop)
    draft.due[loop] = Due(draft.program.regions[node], frame, state.iteration)


def end_pass(draft: Draft, region: Region, frame: FrameId) -> FrameId:
    """Close a pass and everything inside it, hand its results up; the parent frame is returned."""
    _end_inner(draft, region, frame)
    parent = parent_frame(frame)
    outgoing: list[tuple[NodeId, Result]] = []
    for node in region.nodes:
        token = token_id(frame, node)
        _cancel_open(draft, token)
        result = draft.result(token)
        if result is not None:
            outgoing.append((node, _standalone(draft, result)))
    for node, result in outgoing:
        above = draft.result(token_id(parent, node))
        draft.ended[token_id(parent, node)] = result if node == region.id else _keeping_latest(result, above)
        draft.decoded.pop(token_id(parent, node), None)
    for node in region.nodes:
        draft.forget(token_id(frame, node))
        draft.forget_join(token_id(frame, node))
    draft.end_frame(frame)
    return parent


def _end_inner(draft: Draft, region: Region, frame: FrameId) -> None:
    """Close the passes of inner loops that are still open, deepest first: branches that an `any` join absorbed."""
    inner = [name for name in draft.frames_within(f"{frame}/") if name.count("/") == frame.count("/") + 1]
    for name in inner:
        end_pass(draft, draft.program.regions[split_pass(name)[0]], name)


def _cancel_open(draft: Draft, token: TokenId) -> None:
    state = draft.token(token)
    if state is not None:
        cancel(draft, token, state, "frame_ended")


def cancel(draft: Draft, token: TokenId, state: OpenToken, reason: str) -> None:
    """Close a token before it ended by itself. A loop between two passes leaves no result: no node of it is active."""
    if state.state == "beginning":
        draft.close_token(token)
    else:
        draft.end(token, cancelled(draft, state, reason))


def cancelled(draft: Draft, state: OpenToken, reason: str) -> Result:
    """The result of a token that is closed before it ended by itself."""
    return Result("cancelled", state.attempt, state.activated_at, draft.now, reason=reason)


def _keeping_latest(result: Result, above: Result | None) -> Result:
    """A node that did not complete in this pass keeps the output of the last pass in which it did (SEMANTICS §5)."""
    if result.status == "completed" or above is None:
        return result
    latest = above.output
    if above.status == "completed" and latest == EMPTY:
        latest = inline(None)
    return replace(result, output=latest)


def _standalone(draft: Draft, result: Result) -> Result:
    """A result that points at no token of the frame that ends."""
    if not result.of:
        return result
    output = passed_on(draft, result) if result.status == "completed" else EMPTY
    return Result(
        result.status, result.attempt, result.started_at, result.ended_at, output, (), result.error, result.reason
    )
