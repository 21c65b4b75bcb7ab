"""A run as the API shows it: a pure projection of its snapshot and its plan."""

from __future__ import annotations

from collections.abc import Set
from typing import Final, Literal, assert_never

import msgspec

from pointsman.base.ids import (
    ROOT,
    FrameId,
    Millis,
    NodeId,
    RunId,
    TokenId,
    parent_frame,
    split_pass,
    split_token,
    token_id,
)
from pointsman.plan import Plan
from pointsman.protocol.output import Output
from pointsman.protocol.state import ErrorInfo, Fork, OpenToken, Result, RunStatus, Snapshot, TokenState
from pointsman.step.values import error_value, is_failure

NodeStatus = Literal["waiting", "dispatched", "running", "completed", "failed", "skipped", "cancelled"]

MAX_COMPOSED: Final = 1 << 20
"""Bytes of an output put together from those of other nodes; past that only the nodes are named."""
_NULL: Final = msgspec.Raw(b"null")


class NodeView(msgspec.Struct, frozen=True):
    """A node as it is in its latest frame."""

    status: NodeStatus
    attempt: int
    """The attempt that is out or comes next; 0 where it was never activated."""
    frame: FrameId
    output: msgspec.Raw
    """Any JSON; `{"$ref": "blob://…"}` where it lives in the blob store."""
    error: ErrorInfo | None
    started_at: Millis | None
    ended_at: Millis | None


class ForkView(msgspec.Struct, frozen=True):
    """What a run was forked from."""

    run_id: RunId
    seq: int
    """The event of that run up to which its history was taken."""
    anew: tuple[TokenId, ...]
    """Of that history, the activations that were left out with all that came of them: `frame:node`."""
    reason: str
    by: str


class RunView(msgspec.Struct, frozen=True):
    """A run and all its nodes. Times are Unix milliseconds."""

    run_id: RunId
    workflow: str
    version: int | None
    tag: str | None
    """What it was started by, which named `version` then; null where it was started otherwise."""
    status: RunStatus
    revision: int
    forked_from: ForkView | None
    seq: int
    input: msgspec.Raw
    output: msgspec.Raw
    error: ErrorInfo | None
    open_tokens: int
    """How many activations have not ended."""
    nodes: dict[NodeId, NodeView]
    created_at: Millis
    started_at: Millis | None
    ended_at: Millis | None
    stuck: str | None = None
    """Why nothing will move it, as the supervisor has found; null otherwise. `POST …/repair` sets it right."""
    waiting_for_worker: tuple[str, ...] = ()
    """Types of its tasks that wait, and that no worker serves."""


def view_of(
    run: Snapshot,
    plan: Plan,
    version: int | None = None,
    started_at: Millis | None = None,
    taken: Set[TokenId] = frozenset(),
    tag: str | None = None,
) -> RunView:
    """The view of a run in any state.

    Args:
        run: Its state.
        plan: The plan at its revision.
        version: Of its workflow.
        started_at: None where it is not known; then it is when its first node was activated.
        taken: The dispatched tokens that a worker has.
        tag: What it was started by.
    """
    head, outputs = run.head, _Outputs(run)
    return RunView(
        run_id=head.run_id,
        workflow=head.workflow,
        version=version,
        tag=tag,
        status=head.status,
        revision=head.revision,
        forked_from=fork_view(head.forked) if head.forked is not None else None,
        seq=head.seq,
        input=shown(head.input),
        output=shown(head.output),
        error=head.error,
        open_tokens=len(run.tokens),
        nodes=_nodes(run, plan, outputs, taken),
        created_at=head.created_at,
        started_at=started_at or _first_activation(run),
        ended_at=head.ended_at,
    )


def fork_view(fork: Fork) -> ForkView:
    """What a run was forked from."""
    return ForkView(fork.run_id, fork.seq, fork.anew, fork.reason, fork.by)


def shown(output: Output) -> msgspec.Raw:
    """An output as JSON: the very bytes that were reported, or a reference to where they are."""
    if output.ref is not None:
        return msgspec.Raw(msgspec.json.encode({"$ref": output.ref}))
    return _text(bytes(output.data)) if bytes(output.data) else _NULL


def _text(data: bytes) -> msgspec.Raw:
    """What a worker sent may hold bytes that are no UTF-8, inside a string; an answer may not."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return msgspec.Raw(data.decode(errors="replace").encode())
    return msgspec.Raw(data)


def node_status(state: TokenState) -> NodeStatus:
    """What the state of an open token looks like from outside."""
    match state:
        case "dispatched":
            return "dispatched"
        case "sleeping":
            return "running"
        case "queued" | "beginning" | "held" | "backing_off":
            return "waiting"
        case "parked":
            return "failed"
        case _:
            assert_never(state)


def _nodes(run: Snapshot, plan: Plan, outputs: _Outputs, taken: Set[TokenId]) -> dict[NodeId, NodeView]:
    frames = _latest_frames(run, plan)
    return {node.id: _node(run, token_id(frames[node.id], node.id), outputs, taken) for node in plan.nodes}


def _node(run: Snapshot, token: TokenId, outputs: _Outputs, taken: Set[TokenId]) -> NodeView:
    frame = split_token(token)[0]
    state, result = run.tokens.get(token), run.results.get(token)
    if state is not None:
        return _open_node(state, frame, is_taken=token in taken)
    if result is not None:
        return _ended_node(result, frame, outputs.of(token))
    # Its edges never resolved: they still may, unless the run ended before they could.
    return NodeView("cancelled" if run.is_final else "waiting", 0, frame, _NULL, None, None, None)


def _open_node(state: OpenToken, frame: FrameId, *, is_taken: bool) -> NodeView:
    status = "running" if is_taken else node_status(state.state)
    return NodeView(status, state.attempt, frame, _NULL, state.error, state.activated_at, None)


def _ended_node(result: Result, frame: FrameId, output: msgspec.Raw) -> NodeView:
    """What a node that failed or was skipped in this pass left in an earlier one is not shown as its output."""
    kept = output if result.status == "completed" else _NULL
    return NodeView(result.status, result.attempt, frame, kept, result.error, result.started_at, result.ended_at)


def _latest_frames(run: Snapshot, plan: Plan) -> dict[NodeId, FrameId]:
    """For each node the innermost open frame around it; what ended frames left stands in the frame around them."""
    open_passes: dict[tuple[FrameId, NodeId], FrameId] = {}
    for frame in sorted(run.frames, key=lambda frame: split_pass(frame)[1]):
        open_passes[parent_frame(frame), split_pass(frame)[0]] = frame
    latest = dict.fromkeys((node.id for node in plan.nodes), ROOT)
    for region in plan.regions:  # outer before inner
        for node in region.nodes:
            latest[node] = open_passes.get((latest[node], region.id), latest[node])
    return latest


def _first_activation(run: Snapshot) -> Millis | None:
    known = [state.activated_at for state in run.tokens.values()]
    known += [result.started_at for result in run.results.values() if result.started_at is not None]
    return min(known, default=None)


class _Outputs:
    """The outputs of activations that ended, those passed on by control nodes put together once each."""

    def __init__(self, run: Snapshot) -> None:
        self._results = run.results
        self._known: dict[TokenId, msgspec.Raw] = {}

    def of(self, token: TokenId) -> msgspec.Raw:
        """The output of an activation. Without recursion: a chain of control nodes may be long."""
        waiting = [token]
        while waiting:
            missing = [source for source in self._sources(waiting[-1]) if source not in self._known]
            if missing:
                waiting += missing
            else:
                done = waiting.pop()
                self._known[done] = self._made(done)
        return self._known[token]

    def _sources(self, token: TokenId) -> tuple[TokenId, ...]:
        result = self._results.get(token)
        return result.of if result is not None else ()

    def _made(self, token: TokenId) -> msgspec.Raw:
        result = self._results.get(token)
        if result is None:
            return _NULL
        if is_failure(result):
            return msgspec.Raw(msgspec.json.encode(error_value(result.error)))
        if not result.of:
            return shown(result.output)
        if len(result.of) == 1:
            return self._known[result.of[0]]
        return self._composed(result.of)

    def _composed(self, sources: tuple[TokenId, ...]) -> msgspec.Raw:
        parts = {source.partition(":")[2]: self._known[source] for source in sources}
        if sum(len(bytes(part)) for part in parts.values()) > MAX_COMPOSED:
            return msgspec.Raw(msgspec.json.encode({"$of": list(parts)}))
        return msgspec.Raw(msgspec.json.encode(parts))
