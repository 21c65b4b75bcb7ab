"""An event as the API shows it: what one transition did, for readers who know nodes but not tokens and tips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator_api.view import ForkView, NodeStatus, fork_view, node_status, shown
from pointsman.base.ids import FrameId, Millis, NodeId, RunId, TokenId, split_token
from pointsman.protocol.note import Note, NoteKind
from pointsman.protocol.output import EMPTY, Output
from pointsman.protocol.signal import Cancel, Pause, Redrive, Resume, Skip
from pointsman.protocol.state import ErrorInfo, Fork, OpenToken, Result, RunStatus
from pointsman.protocol.transition import Patch, Transition

_CLOCKWORK: Final = frozenset({"pause", "resume"})
"""These change open tokens only in their timers, but for those that `resume` dispatches."""


class NodeEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one activation of a node."""

    node: NodeId
    status: NodeStatus
    frame: FrameId = FrameId("")
    """The loop pass it belongs to: `polish[2]`; empty outside loops."""
    attempt: int = 0
    type: str = ""
    """Of a dispatched node: the type of worker that is to execute it."""
    output: msgspec.Raw | UnsetType = UNSET
    """Any JSON; `{"$ref": "blob://…"}` where it lives in the blob store."""
    output_of: tuple[NodeId, ...] = ()
    """Of a control node: the nodes whose outputs it passes on."""
    error: ErrorInfo | None = None
    kept: bool = False
    """Taken over from the run that this one was forked from: it was not done again."""
    reason: str = ""
    """Why it was skipped or cancelled, or what it waits for: held, queued, backing_off, sleeping."""


class NoteEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something worth telling about a node."""

    kind: NoteKind
    node: NodeId
    frame: FrameId = FrameId("")
    detail: Any = None


class PatchEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The edit that was made."""

    revision: int
    description: str = ""
    operations: tuple[Any, ...] = ()
    """RFC 6902, as sent."""


class RunEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a run. Fields that say nothing are left out."""

    run_id: RunId
    seq: int
    at: Millis
    type: str
    """What caused it: start, fork, completed, failed, timer, worker_lost, task_lost, continue, pause, resume, cancel,
    redrive, skip, patch
    or recovered: Redis was lost, and what was out is out again."""
    status: RunStatus | None = None
    """The run's new status, where it changed."""
    nodes: tuple[NodeEvent, ...] = ()
    """The nodes whose status changed; those that ended come first."""
    notes: tuple[NoteEvent, ...] = ()
    by: str = ""
    """Who sent the command or the edit."""
    reason: str = ""
    """Why, if they said so."""
    patch: PatchEvent | None = None
    forked_from: ForkView | None = None
    """Of a run that was forked, in its first event."""
    error: ErrorInfo | None = None
    """Of the run."""
    output: msgspec.Raw | UnsetType = UNSET
    """Of the run, once it completed."""


def event_of(change: Transition) -> RunEvent:
    """The public view of one transition."""
    by, reason = _sender(change)
    return RunEvent(
        run_id=change.run_id,
        seq=change.seq,
        at=change.at,
        type=change.cause,
        status=change.status,
        nodes=(*_ended(change), *_opened(change)),
        notes=tuple(_note(note) for note in change.notes),
        by=by,
        reason=reason,
        patch=_patch(change.patch),
        forked_from=fork_view(fork) if (fork := _fork(change)) is not None else None,
        error=change.error,
        output=_output(change.output),
    )


def _sender(change: Transition) -> tuple[str, str]:
    if change.patch is not None:
        return change.patch.by, ""
    fork = _fork(change)
    if fork is not None:
        return fork.by, fork.reason
    signal = change.signal
    return (signal.by, signal.reason) if isinstance(signal, Pause | Resume | Cancel | Redrive | Skip) else ("", "")


def _fork(change: Transition) -> Fork | None:
    return change.started.forked if change.started is not None else None


def _ended(change: Transition) -> Iterator[NodeEvent]:
    """The activations that ended. A pass that ends hands its results up to the frame around it: only what is new
    counts, and what was open until now is shown in the pass it belongs to."""
    known = {split_token(token)[1] for token in change.forgotten}
    passes = {split_token(token)[1]: token for token in change.closed if split_token(token)[0] in change.frames_ended}
    is_fork = _fork(change) is not None
    for token, result in change.ended.items():
        node = split_token(token)[1]
        if node in passes:
            yield _result(passes[node], result)
        elif node not in known or token in change.closed:
            yield _result(token, result, kept=is_fork and result.ended_at < change.at)


def _result(token: TokenId, result: Result, *, kept: bool = False) -> NodeEvent:
    frame, node = split_token(token)
    return NodeEvent(
        node,
        result.status,
        frame,
        result.attempt,
        output=_output(result.output) if result.status == "completed" else UNSET,
        output_of=tuple(split_token(source)[1] for source in result.of),
        error=result.error,
        kept=kept,
        reason=result.reason,
    )


def _opened(change: Transition) -> Iterator[NodeEvent]:
    for token, state in change.opened.items():
        if state.state == "dispatched":
            if state.dispatched_at == change.at:
                yield _open(token, state, "")
        elif change.cause not in _CLOCKWORK:
            yield _open(token, state, state.state)


def _open(token: TokenId, state: OpenToken, reason: str) -> NodeEvent:
    frame, node = split_token(token)
    return NodeEvent(node, node_status(state.state), frame, state.attempt, state.type, error=state.error, reason=reason)


def _note(note: Note) -> NoteEvent:
    return NoteEvent(note.kind, note.node, note.frame, note.detail)


def _patch(patch: Patch | None) -> PatchEvent | None:
    return PatchEvent(patch.revision, patch.description, patch.operations) if patch is not None else None


def _output(output: Output) -> msgspec.Raw | UnsetType:
    return UNSET if output == EMPTY else shown(output)
