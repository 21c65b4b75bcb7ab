"""What a handler is given, and what it may return besides plain values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger

from pointsman.base.ids import JobId, Millis, NodeId, RunId, TokenId
from pointsman.ports.blob_store import BlobStore
from pointsman.protocol.output import BLOB_SCHEME, is_blob
from pointsman.protocol.task import Task as WireTask
from pointsman.rights.grant import Limits
from pointsman.worker.cancellation import Cancellation
from pointsman.worker.editing import Editing, EditToken
from pointsman.worker.secrets import Secrets

log = structlog.get_logger()

_UNREAD: Final = object()
_BLOB: Final = BLOB_SCHEME.encode()


@dataclass(frozen=True, slots=True)
class Ref:
    """A result that the handler has stored itself: the run gets the reference, for example `s3://bucket/key`."""

    ref: str


class Task:
    """One attempt of one node, ready to be worked on.

    Templates in `config` are resolved, `secret://` references are not. Where an output is too large to travel with
    the task, `{"$ref": "blob://…"}` stands in its place until `load_payload` or `load_output` has fetched it; handlers
    that are plain functions get them loaded.
    """

    __slots__ = ("_blobs", "_cancellation", "_closed", "_editing", "_payload", "_secrets", "_wire")

    def __init__(self, wire: WireTask, secrets: Secrets, blobs: BlobStore, editing: Editing) -> None:
        self._wire = wire
        self._secrets = secrets
        self._blobs = blobs
        self._editing = editing
        self._payload: Any = _UNREAD
        self._cancellation: Cancellation | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"Task({self._wire.job_id!r})"

    @property
    def run_id(self) -> RunId:
        """The run it belongs to."""
        return self._wire.run_id

    @property
    def node_id(self) -> NodeId:
        """The node it executes."""
        return self._wire.node_id

    @property
    def id(self) -> TokenId:
        """The activation it belongs to: `frame:node`, the same for every attempt."""
        return self._wire.id

    @property
    def job_id(self) -> JobId:
        """This attempt's own id, unique over all runs."""
        return self._wire.job_id

    @property
    def type(self) -> str:
        """The node's type."""
        return self._wire.type

    @property
    def attempt(self) -> int:
        """1 for the first attempt, 2 for the next."""
        return self._wire.attempt

    @property
    def deadline(self) -> Millis | None:
        """When this attempt times out, in Unix milliseconds of the Redis server's clock; None if it does not."""
        return self._wire.deadline

    @property
    def config(self) -> Any:
        """The node's config, templates resolved."""
        return self._wire.config

    @property
    def context(self) -> dict[NodeId, Any]:
        """`{"output": …}` for each node that this one names in `context`."""
        return self._wire.context

    @property
    def metadata(self) -> Any:
        """The node's metadata."""
        return self._wire.metadata

    @property
    def from_node(self) -> NodeId | None:
        """The node whose output is the payload; None at the start of a run."""
        return self._wire.from_node

    @property
    def payload(self) -> Any:
        """The output of the node before, read when first asked for.

        Where several edges led here, an object from node id to output; at the start, the run's input.
        """
        if self._payload is _UNREAD:
            wire = self._wire
            self._payload = {"$ref": wire.payload_ref} if wire.payload_ref else _decoded(bytes(wire.payload))
        return self._payload

    @property
    def payload_ref(self) -> str | None:
        """Where the payload is, if the node before reported a reference."""
        return self._wire.payload_ref

    @property
    def cancelled(self) -> Cancellation:
        """Set when the result is no longer wanted."""
        if self._cancellation is None:
            self._cancellation = Cancellation()
            if self._closed:
                self._cancellation.set()
        return self._cancellation

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger whose lines carry this task's run, node, token and attempt."""
        wire = self._wire
        bound: FilteringBoundLogger = log.bind(
            run_id=wire.run_id, node=wire.node_id, token=wire.id, attempt=wire.attempt
        )
        return bound

    async def load_payload(self) -> Any:
        """The payload, what is in the blob store fetched; `payload` is the same from then on."""
        self._payload = await self._loaded(self.payload)
        return self._payload

    async def load_output(self, node: str) -> Any:
        """The output of a node that this one names in `context`, fetched if it is in the blob store.

        Raises:
            KeyError: The node is not in `context`, or has no output.
        """
        entry = self._wire.context[NodeId(node)]
        entry["output"] = await self._loaded(entry["output"])
        return entry["output"]

    async def edit_token(
        self, *, types: Collection[str] | None = None, nodes: int | None = None, operations: int | None = None
    ) -> EditToken:
        """Ask the API for the right to extend this task's own run, behind its node, while the task is out.

        What is not said is as much as this installation grants.

        Raises:
            EditRefused: API045 the task is not out any more; API046 that is more than there is to have.
            ServerUnavailable: The API cannot be asked.
        """
        limits = Limits(frozenset(types) if types is not None else None, nodes, operations)
        return await self._editing.token(self.job_id, limits)

    def resolve_secret(self, text: str) -> str:
        """A text with each `secret://name` in it replaced by what this worker's settings have under that name.

        Raises:
            NonRetryable: `unknown_secret`.
        """
        return self._secrets.resolve(text)

    def redact(self, text: str) -> str:
        """A text without the values of secrets that were resolved in this process."""
        return self._secrets.redact(text)

    @property
    def carries_references(self) -> bool:
        """Whether some of its data may have to be fetched from the blob store."""
        wire = self._wire
        return (
            is_blob(wire.payload_ref)
            or _BLOB in bytes(wire.payload)
            or any(_stands_for(entry.get("output")) for entry in wire.context.values())
        )

    async def load_all(self) -> None:
        """Fetch everything that is in the blob store, for a handler that cannot wait for it."""
        await self.load_payload()
        for node in self._wire.context:
            await self.load_output(node)

    def close(self) -> None:
        """Tell the handler that its result is no longer wanted."""
        self._closed = True
        if self._cancellation is not None:
            self._cancellation.set()

    async def _loaded(self, value: Any) -> Any:
        """A value with the blobs that it, or a member of it, stands for in their places."""
        if ref := _stands_for(value):
            return _decoded(await self._blobs.get(ref))
        if not isinstance(value, dict):
            return value
        return {
            key: _decoded(await self._blobs.get(ref)) if (ref := _stands_for(member)) else member
            for key, member in value.items()
        }


def _decoded(data: bytes) -> Any:
    return msgspec.json.decode(data) if data else None


def _stands_for(value: Any) -> str | None:
    """The blob in whose place an object stands, if it is exactly `{"$ref": "blob://…"}`."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(ref := value.get("$ref"), str) and is_blob(ref):
        return ref
    return None
