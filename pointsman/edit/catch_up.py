"""Catch-up: the transition that takes a run from the marking it has to the one the replay ended in (SEMANTICS §8)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from pointsman.base.ids import FrameId, Millis, TokenId, parent_frame, split_pass, token_id
from pointsman.protocol.state import OpenToken, Result, Snapshot
from pointsman.protocol.transition import Patch, Transition
from pointsman.step import Program
from pointsman.step.activation import activate, run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import Draft, node_of
from pointsman.step.loop import cancelled, take_up
from pointsman.step.restart import restart

EDITED = "edited"
"""Why a token was closed by an edit."""


def catch_up(
    program: Program, run: Snapshot, wanted: Snapshot, patch: Patch, now: Millis, restarted: Iterable[TokenId] = ()
) -> Transition:
    """Dispatch what the new plan has activated besides, take back what it no longer activates, keep all else.

    Args:
        program: The new plan.
        run: The run as it is.
        wanted: The marking under the new plan.
        patch: What history will say about it.
        now: When it lands.
        restarted: Tasks that are out and shall begin anew, because the new plan has them otherwise.
    """
    draft = Draft(program, run, now)
    draft.revision = patch.revision
    _match_frames(draft, run, wanted)
    _match_results(draft, run, wanted)
    _match_joins(draft, run, wanted)
    closed = sorted(run.tokens.keys() - wanted.tokens.keys())
    for token in closed:
        _take_back(draft, run, token)
    for token in sorted(wanted.tokens.keys() - run.tokens.keys()):
        _begin(draft, token, wanted.tokens[token])
    anew = {token: run.tokens[token].attempt + 1 for token in restarted}
    restart(draft, anew)
    _match_sources(draft, run, wanted)
    run_queue(draft)
    settle(draft)
    change = draft.finish("patch", None)
    change.patch = patch
    change.erased = (*closed, *_loops_of(run.frames.keys() - wanted.frames.keys()))
    return change


def _begin(draft: Draft, token: TokenId, state: OpenToken) -> None:
    """Open what the new plan has open and the run has not."""
    if state.state == "beginning":
        take_up(draft, token, state)
    else:
        activate(draft, draft.program.sites[node_of(token)], token, state.sources)


def _match_frames(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    for frame in run.frames.keys() - wanted.frames.keys():
        draft.end_frame(frame)
    for frame in wanted.frames.keys() - run.frames.keys():
        draft.open_frame(frame, wanted.frames[frame].iteration)


def _match_results(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    """Results that workers brought are facts and equal; only skips and what control nodes pass on can differ."""
    for token in run.results.keys() - wanted.results.keys():
        if run.results[token].attempt and run.results[token].status in ("cancelled", "skipped"):
            # A worker has had it: whatever comes of it begins at the next attempt.
            draft.ended[token] = replace(run.results[token], status="cancelled", reason=EDITED)
        else:
            draft.forget(token)
    for token, result in wanted.results.items():
        before = run.results.get(token)
        if before is None or _essence(before) != _essence(result):
            draft.ended[token] = _counting_on(result, before)


def _counting_on(result: Result, before: Result | None) -> Result:
    """A skip remembers what attempts there were: a later edit may activate the node after all."""
    if before is None or result.status != "skipped":
        return result
    return replace(result, attempt=before.attempt)


def _essence(result: Result) -> tuple[object, ...]:
    return result.status, result.of, result.output


def _match_joins(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    tallies: set[TokenId] = run.joins.keys() | wanted.joins.keys()
    for token in sorted(tallies):
        before, after = run.joins.get(token, {}), wanted.joins.get(token, {})
        if before != after:
            draft.forget_join(token)
            if after:
                draft.joined[token] = dict(after)


def _match_sources(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    """A token that waits for its dispatch takes what the new plan fires it with."""
    for token, state in draft.tokens():
        again = wanted.tokens.get(token)
        if again is not None and token in run.tokens and state.sources != again.sources:
            draft.set_token(token, replace(state, sources=again.sources))


def _take_back(draft: Draft, run: Snapshot, token: TokenId) -> None:
    """Close a token that the new plan does not have: a tombstone stays of one that had been handed to a worker."""
    state = run.tokens[token]
    if state.dispatched_at is not None or state.attempt > 1:
        draft.end(token, cancelled(draft, state, EDITED))
    else:
        draft.close_token(token)


def _loops_of(frames: Iterable[FrameId]) -> list[TokenId]:
    """Under whose ids the history keeps the passes of loops that the new plan has not entered."""
    return [token_id(parent_frame(frame), split_pass(frame)[0]) for frame in sorted(frames)]
