"""Stepping with the outputs a step reads loaded first, if they live in the blob store."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.base.ids import Millis
from pointsman.ports.blob_store import BlobStore
from pointsman.protocol.signal import Signal
from pointsman.protocol.state import RunHead, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step import OutputsNeeded, Program, start, step


async def step_with_blobs(program: Program, run: Snapshot, signal: Signal, now: Millis, blobs: BlobStore) -> Transition:
    """`step`, with the blobs it asks for; `run` keeps none of them."""
    return await with_blobs(run.blobs, lambda: step(program, run, signal, now), blobs)


async def start_with_blobs(program: Program, head: RunHead, now: Millis, blobs: BlobStore) -> Transition:
    """`start`, with the run's input loaded if a start node reads it and it lives in the blob store."""
    loaded: dict[str, bytes] = {}
    return await with_blobs(loaded, lambda: start(program, head, now, loaded), blobs)


async def with_blobs(loaded: dict[str, bytes], attempt: Callable[[], Transition], blobs: BlobStore) -> Transition:
    """What `attempt` gives, once every blob it asks for is in `loaded`, which is empty again afterwards."""
    while True:
        try:
            made = attempt()
        except OutputsNeeded as needed:
            for ref in needed.refs:
                loaded[ref] = await blobs.get(ref)
        else:
            loaded.clear()
            return made
