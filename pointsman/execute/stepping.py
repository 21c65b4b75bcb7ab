"""Stepping with the outputs a step reads loaded first, if they live in the blob store."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.base.ids import Millis
from pointsman.ports.blob_store import BlobMissing, BlobStore
from pointsman.protocol.signal import Signal
from pointsman.protocol.state import RunHead, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import OutputsNeeded, Program, start, step


async def step_with_blobs(program: Program, run: Snapshot, signal: Signal, now: Millis, blobs: BlobStore) -> Transition:
    """`step`, with the blobs it asks for; `run` keeps none of them. One that is gone fails the node that reads it."""
    return await with_blobs(run.blobs, lambda: step(program, run, signal, now), blobs, run.lost)


async def start_with_blobs(program: Program, head: RunHead, now: Millis, blobs: BlobStore) -> Transition:
    """`start`, with the run's input loaded if a start node reads it and it lives in the blob store."""
    loaded: dict[str, bytes] = {}
    lost: set[str] = set()
    return await with_blobs(loaded, lambda: start(program, head, now, loaded, lost), blobs, lost)


async def with_blobs(
    loaded: dict[str, bytes], attempt: Callable[[], Transition], blobs: BlobStore, lost: set[str] | None = None
) -> Transition:
    """What `attempt` gives, once every blob it asks for is in `loaded`, which is empty again afterwards.

    Raises:
        BlobMissing: One is not there. With `lost` that is where it is named instead, for `attempt` to deal with.
    """
    while True:
        try:
            made = attempt()
        except OutputsNeeded as needed:
            for ref in needed.refs:
                try:
                    loaded[ref] = await blobs.get(ref)
                except BlobMissing:
                    if lost is None:
                        raise
                    lost.add(ref)
        else:
            loaded.clear()
            if lost is not None:
                lost.clear()
            return made
