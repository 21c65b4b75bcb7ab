"""Catch-up: the transition that takes a run from the marking it has to the one the replay ended in (SEMANTICS §8)."""

from __future__ import annotations

from pointsman.base.ids import Millis, TokenId
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Patch, Transition
from pointsman.step import Program
from pointsman.step.activation import activate, run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import Draft, node_of


def catch_up(program: Program, run: Snapshot, wanted: Snapshot, patch: Patch, now: Millis) -> Transition:
    """Dispatch what the new plan has activated besides, take back what it no longer activates, keep all else.

    Args:
        program: The new plan.
        run: The run as it is.
        wanted: The marking under the new plan.
        patch: What history will say about it.
        now: When it lands.
    """
    draft = Draft(program, run, now)
    _match_frames(draft, run, wanted)
    _match_results(draft, run, wanted)
    _match_joins(draft, run, wanted)
    for token in run.tokens.keys() - wanted.tokens.keys():
        draft.close_token(token)
    for token in sorted(wanted.tokens.keys() - run.tokens.keys()):
        activate(draft, program.sites[node_of(token)], token, wanted.tokens[token].sources)
    run_queue(draft)
    settle(draft)
    change = draft.finish("patch", None)
    change.patch = patch
    return change


def _match_frames(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    for frame in run.frames.keys() - wanted.frames.keys():
        draft.end_frame(frame)
    for frame in wanted.frames.keys() - run.frames.keys():
        draft.open_frame(frame, wanted.frames[frame].iteration)


def _match_results(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    """Results that workers brought are facts and equal; only skips and what control nodes pass on can differ."""
    for token in run.results.keys() - wanted.results.keys():
        draft.forget(token)
    for token, result in wanted.results.items():
        before = run.results.get(token)
        if before is None or before.status != result.status:
            draft.ended[token] = result


def _match_joins(draft: Draft, run: Snapshot, wanted: Snapshot) -> None:
    tallies: set[TokenId] = run.joins.keys() | wanted.joins.keys()
    for token in sorted(tallies):
        before, after = run.joins.get(token, {}), wanted.joins.get(token, {})
        if before != after:
            draft.forget_join(token)
            if after:
                draft.joined[token] = dict(after)
