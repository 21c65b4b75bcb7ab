"""The ids of Pointsman, one `NewType` each, and how they are spelled.

Source of the alphabets: SEMANTICS §1. No run id, node id or frame id contains a colon, so a colon separates them.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from typing import NewType

RunId = NewType("RunId", str)
NodeId = NewType("NodeId", str)
EdgeId = NewType("EdgeId", str)
FrameId = NewType("FrameId", str)
"""A path of passes: `""` (the run itself), `polish[2]`, `polish[2]/items[14]`."""
TokenId = NewType("TokenId", str)
"""`frame:node`: the one activation of a node in a frame."""
JobId = NewType("JobId", str)
"""`run:frame:node:attempt`; opaque to workers."""
TimerId = NewType("TimerId", str)
Digest = NewType("Digest", str)
Tip = NewType("Tip", str)
Millis = NewType("Millis", int)
"""Unix time in milliseconds, from the Redis server's clock."""

ROOT = FrameId("")

RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
NODE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def crc_of(run: RunId) -> int:
    """The CRC-16 of a run's id, as Redis Cluster has it (XMODEM)."""
    return crc_hqx(run.encode(), 0)


def partition_of(run: RunId, partitions: int) -> int:
    """The partition that a run lives in (ARCHITECTURE §4): the CRC-16 of its id, as in Redis Cluster, modulo them."""
    return crc_of(run) % partitions if partitions > 1 else 0


def token_id(frame: FrameId, node: NodeId) -> TokenId:
    """The id of the one activation of `node` in `frame`, the same whoever derives it."""
    return TokenId(f"{frame}:{node}")


def split_token(token: TokenId) -> tuple[FrameId, NodeId]:
    """Undo `token_id`."""
    frame, _, node = token.partition(":")
    return FrameId(frame), NodeId(node)


def job_id(run: RunId, token: TokenId, attempt: int) -> JobId:
    """What a worker hands back with its signal: run, token and attempt in one string."""
    return JobId(f"{run}:{token}:{attempt}")


def split_job(job: str) -> tuple[RunId, TokenId, int] | None:
    """The run, token and attempt a job id names, or None where it is none of ours."""
    parts = job.split(":")
    if len(parts) != 4 or not parts[3].isdecimal() or len(parts[3]) > 9:
        return None
    run, frame, node, attempt = parts
    return RunId(run), TokenId(f"{frame}:{node}"), int(attempt)


def pass_frame(parent: FrameId, loop: NodeId, iteration: int) -> FrameId:
    """The frame of pass `iteration` (1-based) of the region named by `loop`, inside `parent`."""
    own = f"{loop}[{iteration}]"
    return FrameId(f"{parent}/{own}" if parent else own)


def parent_frame(frame: FrameId) -> FrameId:
    """The frame that `frame` was opened in; the root is its own parent."""
    return FrameId(frame.rpartition("/")[0])


def split_pass(frame: FrameId) -> tuple[NodeId, int]:
    """The region and iteration in the last part of a frame's path. `frame` must not be the root."""
    name, _, number = frame.rpartition("/")[2].rstrip("]").partition("[")
    return NodeId(name), int(number)


def split_frame(frame: FrameId) -> list[tuple[NodeId, int]]:
    """The region and iteration of each pass that a frame's path names, outermost first; none for the root."""
    return [split_pass(FrameId(part)) for part in frame.split("/")] if frame else []


def is_within(frame: FrameId, ancestor: FrameId) -> bool:
    """Whether `frame` is `ancestor` or was opened, directly or not, inside it."""
    return frame == ancestor or not ancestor or frame.startswith(ancestor + "/")
