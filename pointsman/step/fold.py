"""Folding: a snapshot, moved on by transitions. The coordinator's cache, recovery and GET of a final run rest on it."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.base.ids import Tip
from pointsman.protocol.state import FINAL, RunHead, Snapshot
from pointsman.protocol.transition import Transition


def advance(run: Snapshot, change: Transition, tip: Tip) -> None:
    """Move `run`, in place, to the state after `change`. An empty transition moves nothing."""
    if change.is_empty:
        return
    head = run.head
    head.seq, head.tip = change.seq, tip
    head.tokens_made += change.tokens_made
    head.passes_made += change.passes_made
    if change.status is not None or change.patch is not None or change.timer is not None or change.failed:
        _advance_head(head, change)
    _advance_tokens(run, change)
    if change.joined or change.unjoined or change.frames or change.frames_ended:
        _advance_frames(run, change)


def opened_by(first: Transition, tip: Tip) -> Snapshot:
    """The snapshot after a run's first transition, which carries the run's head."""
    if first.started is None:
        raise ValueError(f"run {first.run_id}: seq {first.seq} is not a first transition")
    head = RunHead(**{name: getattr(first.started, name) for name in RunHead.__struct_fields__})
    run = Snapshot(head)
    advance(run, first, tip)
    return run


def fold(events: Iterable[tuple[Transition, Tip]]) -> Snapshot:
    """The snapshot after a run's events, all of them, in order of seq.

    Raises:
        ValueError: There are none, the first is not a first transition, or one is missing in between.
    """
    run: Snapshot | None = None
    for change, tip in events:
        if run is None:
            run = opened_by(change, tip)
        elif change.prev != run.head.tip:
            raise ValueError(f"run {change.run_id}: event {change.seq} does not follow event {run.head.seq}")
        else:
            advance(run, change, tip)
    if run is None:
        raise ValueError("a run has at least one event")
    return run


def _advance_head(head: RunHead, change: Transition) -> None:
    if change.status is not None:
        head.status = change.status
        if change.status in FINAL:
            head.output, head.ended_at = change.output, change.at
    if change.error is not None:
        head.error = change.error
    if change.timer is not None:
        head.timer = change.timer
    head.failed = head.failed or change.failed
    if change.patch is not None:
        head.revision = change.patch.revision
        head.plan, head.definition = change.patch.plan, change.patch.definition


def _advance_tokens(run: Snapshot, change: Transition) -> None:
    for token in change.closed:
        run.tokens.pop(token, None)
    run.tokens.update(change.opened)
    for token in change.forgotten:
        run.results.pop(token, None)
    run.results.update(change.ended)


def _advance_frames(run: Snapshot, change: Transition) -> None:
    for token in change.unjoined:
        run.joins.pop(token, None)
    for token, resolved in change.joined.items():
        run.joins.setdefault(token, {}).update(resolved)
    for frame in change.frames_ended:
        run.frames.pop(frame, None)
    run.frames.update(change.frames)
