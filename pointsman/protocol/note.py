"""Notes: what an event tells besides what changed."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.base.ids import FrameId, NodeId

NoteKind = Literal[
    "condition_failed",
    "no_branch_taken",
    "node_retrying",
    "node_parked",
    "worker_lost",
    "pass_started",
    "pass_due",
    "pass_ended",
    "late_signal",
]


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something worth telling that the other fields do not say."""

    kind: NoteKind
    node: NodeId
    frame: FrameId = FrameId("")
    detail: Any = None
