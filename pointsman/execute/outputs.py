"""Outputs above the inline limit go to the blob store before apply; Redis and the journal hold references."""

from __future__ import annotations

from msgspec.structs import replace

from pointsman.ports.blob_store import BlobStore
from pointsman.protocol.output import Output
from pointsman.protocol.transition import Transition


async def stored(output: Output, blobs: BlobStore, limit: int) -> Output:
    """The output itself, or a reference to where it now is, if it is larger than `limit` bytes."""
    data = bytes(output.data)
    return Output(ref=await blobs.put(data)) if len(data) > limit else output


async def store_large_outputs(change: Transition, blobs: BlobStore, limit: int) -> None:
    """Move what a transition holds above `limit` bytes to the blob store: results a loop hands up, a run's output."""
    for token, result in change.ended.items():
        if result.output.ref is None and (kept := await stored(result.output, blobs, limit)) is not result.output:
            change.ended[token] = replace(result, output=kept)
    if change.output.ref is None:
        change.output = await stored(change.output, blobs, limit)
