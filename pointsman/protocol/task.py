"""The wire token: what a worker is handed (stage 5, ARCHITECTURE §6)."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.ids import JobId, Millis, NodeId, RunId, TokenId
from pointsman.protocol.output import NOTHING


class Task(msgspec.Struct, omit_defaults=True):
    """One attempt of one token, ready to use: templates are resolved, `secret://` references are not.

    `payload` is the output of `from_node`; where several edges fired the node, an object from node id to output; at the
    start, the run's input. Outputs that live in the blob store stand as `{"$ref": "blob://…"}` inside such an
    object, and as `payload_ref` where the payload is one of them alone.
    """

    id: TokenId
    job_id: JobId
    run_id: RunId
    node_id: NodeId
    to_node: NodeId
    """The same as `node_id`; kept from the wire contract."""
    type: str
    attempt: int
    hop: int
    """The run's seq when it was dispatched."""
    created_at: Millis
    from_node: NodeId | None = None
    payload: msgspec.Raw = NOTHING
    payload_ref: str | None = None
    config: Any = None
    context: dict[NodeId, Any] = {}
    """Node id to `{"output": …}` for the nodes it asked for."""
    deadline: Millis | None = None
    """When this attempt times out."""
    metadata: Any = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Task)


def encode_task(task: Task) -> bytes:
    """The JSON of the stream entry's field `token`."""
    return _ENCODER.encode(task)


def decode_task(body: bytes) -> Task:
    """Read a task off its stream. Raises `msgspec.DecodeError` on anything else."""
    return _DECODER.decode(body)
