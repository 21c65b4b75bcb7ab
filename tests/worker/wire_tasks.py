"""Tasks as a coordinator hands them out, and handlers' views of them."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.base.ids import FrameId, Millis, NodeId, RunId, TokenId, job_id, token_id
from pointsman.ports.blob_store import BlobMissing
from pointsman.protocol.task import Task as WireTask
from pointsman.worker import Task
from pointsman.worker.editing import Editing
from pointsman.worker.secrets import Secrets


class Shelf:
    """A blob store that holds what a test puts there."""

    def __init__(self, **blobs: object) -> None:
        self.blobs = {f"blob://{name}": msgspec.json.encode(value) for name, value in blobs.items()}
        self.fetched: list[str] = []

    async def put(self, data: bytes) -> str:
        ref = f"blob://{len(self.blobs)}"
        self.blobs[ref] = data
        return ref

    async def get(self, ref: str) -> bytes:
        self.fetched.append(ref)
        if ref not in self.blobs:
            raise BlobMissing("SRV031", f"{ref} is not here")
        return self.blobs[ref]


def wire_task(
    run: str = "run_1", node: str = "work", *, payload: object = None, attempt: int = 1, frame: str = "", **fields: Any
) -> WireTask:
    """The first attempt of a node of type `function`, unless `fields` say otherwise."""
    token: TokenId = token_id(FrameId(frame), NodeId(node))
    given: dict[str, Any] = {
        "type": "function",
        "hop": 1,
        "created_at": Millis(0),
        "from_node": NodeId("before"),
        "payload": msgspec.Raw(msgspec.json.encode(payload)),
    } | fields
    return WireTask(
        id=token,
        job_id=job_id(RunId(run), token, attempt),
        run_id=RunId(run),
        node_id=NodeId(node),
        to_node=NodeId(node),
        attempt=attempt,
        **given,
    )


def a_task(secrets: Secrets | None = None, blobs: Shelf | None = None, **fields: Any) -> Task:
    """What a handler gets."""
    return Task(wire_task(**fields), secrets or Secrets(), blobs or Shelf(), Editing("http://127.0.0.1:9"))
