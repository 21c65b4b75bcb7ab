"""Dead letters: what came to its end and was taken by nobody (SEMANTICS §6). A person decides what becomes of it."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal, NamedTuple

import msgspec

from pointsman.base.ids import NODE_ID, RUN_ID, NodeId, RunId, TokenId, split_job, split_token
from pointsman.protocol.state import ErrorInfo

DeadLetterKind = Literal["failed", "poison", "rejected"]
"""failed: a node's last attempt failed, and no edge took it; poison: it cost too many workers; rejected: a signal."""

_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class DeadToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token whose node failed for good, and no `on:` edge took the failure."""

    token: TokenId
    attempt: int
    """The last one that was handed out."""
    error: ErrorInfo
    type: str = ""
    """The task type of its node; empty for a control node."""
    is_parked: bool = False
    """The token stays open, and its run with it."""


def letter_id(*origin: object) -> str:
    """The id of a dead letter, the same however often it is derived: from what no other letter comes from."""
    digest = hashlib.blake2b("\0".join(map(str, origin)).encode(), digest_size=16).digest()
    number = int.from_bytes(digest, "big")
    return "dl_" + "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


def letter_of_token(run: RunId, epoch: int, seq: int, token: TokenId) -> str:
    """The id of the letter that a token became in one event."""
    return letter_id("token", run, epoch, seq, token)


def letter_of_signal(entry: str, partition: int) -> str:
    """The id of the letter that a signal became when it was set aside, as an entry of a partition's stream of those."""
    return letter_id("signal", *([partition] if partition else []), entry)


class Addressee(NamedTuple):
    """Whom a signal seems to be about; each part None where it does not say, or not in a way that could be right."""

    run: RunId | None = None
    token: TokenId | None = None
    node: NodeId | None = None
    attempt: int | None = None


def addressee(signal: bytes) -> Addressee:
    """Whom a signal that was set aside seems to be about: it may be no JSON, or the beginning of one."""
    said = {name: _said(signal, name) for name in ("job_id", "run_id", "node_id")}
    job = split_job(said["job_id"])
    if job is not None and RUN_ID.match(job[0]) and NODE_ID.match(split_token(job[1])[1]):
        return Addressee(job[0], job[1], split_token(job[1])[1], job[2])
    run = RunId(said["run_id"]) if RUN_ID.match(said["run_id"]) else None
    return Addressee(run, node=NodeId(said["node_id"]) if NODE_ID.match(said["node_id"]) else None)


def _said(signal: bytes, name: str) -> str:
    """What seems to be the value of a field: a plain string behind its name."""
    found = re.search(rb'"%b"\s*:\s*"([^"\\]{1,600})"' % name.encode(), signal)
    return found[1].decode(errors="replace") if found else ""
