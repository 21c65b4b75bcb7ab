"""What expressions and workers get to read: outputs, payloads, the variables of SEMANTICS §5."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.errors import ExpressionError
from pointsman.base.ids import EdgeId, FrameId, NodeId, TokenId, parent_frame, split_pass, split_token, token_id
from pointsman.expr import References
from pointsman.protocol.output import EMPTY, Output, inline, is_blob
from pointsman.protocol.state import ErrorInfo, Result
from pointsman.step.draft import Draft
from pointsman.step.program import Site, ancestor


class OutputsNeeded(Exception):
    """A step reads outputs that live in the blob store: load them into `Snapshot.blobs` and step again.

    This is how `reads(plan, signal)` of the design is answered: exactly, because the step itself asks.
    """

    def __init__(self, refs: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(refs)))
        self.refs = refs


class OutputLost(ExpressionError):
    """What is to be read is in the blob store no more. It fails whoever reads it, and is never taken for false."""


def output_bytes(draft: Draft, output: Output) -> bytes:
    """The JSON of an output, out of the blob store if it lives there; a foreign reference stands as `{"$ref": …}`."""
    if output.ref is None:
        return bytes(output.data) or b"null"
    if not is_blob(output.ref):
        return msgspec.json.encode({"$ref": output.ref})
    loaded = draft.run.blobs.get(output.ref)
    if loaded is None and output.ref in draft.run.lost:
        raise OutputLost("SRV031", f"an output that is to be read, {output.ref}, is not in the blob store any more")
    if loaded is None:
        raise OutputsNeeded(frozenset({output.ref}))
    return loaded


def value_of(draft: Draft, token: TokenId) -> Any:
    """The parsed output of an activation that ended; None where it has none."""
    if token not in draft.decoded:
        draft.decoded[token] = _decode(draft, draft.result(token))
    return draft.decoded[token]


def _decode(draft: Draft, result: Result | None) -> Any:
    if result is None:
        return None
    if len(result.of) == 1:
        return value_of(draft, result.of[0])
    if result.of:
        return {split_token(token)[1]: value_of(draft, token) for token in result.of}
    if is_failure(result):
        return error_value(result.error)
    try:
        return msgspec.json.decode(output_bytes(draft, result.output))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise ExpressionError("CEL031", f"an output that is to be read holds JSON that cannot be: {wrong}") from wrong


def is_failure(result: Result) -> bool:
    """Whether what a result passes on is its error: a node that failed, and nothing older is kept in its place."""
    return result.status == "failed" and result.output == EMPTY


def error_value(error: ErrorInfo | None) -> dict[str, Any]:
    """What an `on: error` or `on: timeout` edge sees, and hands on, as the output of the node that failed."""
    return {"error": {"type": error.type, "message": error.message} if error else None}


def passed_on(draft: Draft, result: Result) -> Output:
    """The output of a result as one value of its own, for when the tokens it points at go away."""
    if is_failure(result):
        return inline(error_value(result.error))
    if not result.of:
        return result.output
    if len(result.of) == 1:
        source = draft.result(result.of[0])
        return passed_on(draft, source) if source is not None else EMPTY
    return compose(draft, result.of)


def compose(draft: Draft, tokens: tuple[TokenId, ...]) -> Output:
    """An object from node id to output; outputs that live elsewhere stand as `{"$ref": …}`, they are not loaded."""
    return Output(
        msgspec.Raw(msgspec.json.encode({split_token(token)[1]: _embedded(draft, token) for token in tokens}))
    )


def _embedded(draft: Draft, token: TokenId) -> Any:
    result = draft.result(token)
    output = passed_on(draft, result) if result is not None else EMPTY
    if output.ref is not None:
        return {"$ref": output.ref}
    return output.data if bytes(output.data) else None


def sources_of(draft: Draft, site: Site, token: TokenId, edges: tuple[EdgeId, ...]) -> tuple[TokenId, ...]:
    """The activations whose outputs a token was fired with; none at a start node, where the run's input stands."""
    frame = split_token(token)[0]
    if not edges:
        return _pass_source(site, frame)
    level = ancestor(frame, site.climb)
    return tuple(token_id(level, draft.program.edges[edge].source) for edge in edges)


def _pass_source(site: Site, frame: FrameId) -> tuple[TokenId, ...]:
    """For the entry of a later pass: the loop node, whose output of the pass before stands in the parent frame."""
    for _ in site.enters:
        loop, iteration = split_pass(frame)
        frame = parent_frame(frame)
        if iteration > 1:
            return (token_id(frame, loop),)
    return ()


def payload_of(draft: Draft, sources: tuple[TokenId, ...]) -> Output:
    """What a worker is handed as payload (`Task.payload`)."""
    if not sources:
        return draft.run.head.input
    if len(sources) == 1:
        result = draft.result(sources[0])
        return passed_on(draft, result) if result is not None else EMPTY
    return compose(draft, sources)


def lookup(draft: Draft, frame: FrameId, node: NodeId) -> TokenId | None:
    """The activation that has the latest output of an earlier node, looked up from `frame` outwards."""
    while True:
        token = token_id(frame, node)
        result = draft.result(token)
        if result is not None and (result.status == "completed" or result.output != EMPTY):
            return token
        if not frame:
            return None
        frame = parent_frame(frame)


def context_of(draft: Draft, frame: FrameId, nodes: tuple[NodeId, ...]) -> dict[NodeId, Any]:
    """`{"output": …}` of each of `nodes` that has one, for the worker; outputs elsewhere stand as references."""
    found = {node: lookup(draft, frame, node) for node in nodes}
    return {node: {"output": _embedded(draft, token)} for node, token in found.items() if token is not None}


def bindings(draft: Draft, reads: References, frame: FrameId) -> dict[str, Any]:
    """The variables an expression reads, all but `output`, which only the node that ends has."""
    values: dict[str, Any] = {}
    for variable in reads.variables:
        match variable:
            case "input":
                values["input"] = msgspec.json.decode(output_bytes(draft, draft.run.head.input))
            case "ctx":
                values["ctx"] = _context_values(draft, reads, frame)
            case "loop" if frame:
                values["loop"] = {"iteration": split_pass(frame)[1]}
            case "run":
                values["run"] = {"id": draft.run.head.run_id, "workflow": draft.run.head.workflow}
            case _:
                pass
    return values


def _context_values(draft: Draft, reads: References, frame: FrameId) -> dict[str, Any]:
    found = {node: lookup(draft, frame, node) for node in reads.nodes}
    return {node: {"output": value_of(draft, token)} for node, token in found.items() if token is not None}
