"""The first transition of a run (stage 4)."""

from __future__ import annotations

import msgspec

from pointsman.base.ids import ROOT, Millis
from pointsman.protocol.state import RunHead, Snapshot
from pointsman.protocol.transition import Transition
from pointsman.step.activation import run_queue
from pointsman.step.completion import settle
from pointsman.step.draft import RUN_TIMER, Beginning, Draft
from pointsman.step.program import Program


def start(
    program: Program, head: RunHead, now: Millis, blobs: dict[str, bytes] | None = None, lost: set[str] | None = None
) -> Transition:
    """Say what starting a run does: its start nodes are activated.

    Args:
        program: The run's plan.
        head: The run as accepted: QUEUED, seq 0, no tip. It is not changed.
        now: When it starts.
        blobs: The run's input, if it lives in the blob store and a start node reads it (`OutputsNeeded` says so).
        lost: The same, where it is not there.

    Returns:
        A transition that carries the head, so that folding can begin with it.
    """
    draft = Draft(program, Snapshot(head, blobs=blobs or {}, lost=lost or set()), now)
    draft.status = "RUNNING"
    if program.plan.guards.max_duration_ms is not None:
        draft.timer = draft.arm(RUN_TIMER, program.plan.guards.max_duration_ms)
    draft.queue.extend(Beginning(site, ROOT) for site in program.starts)
    run_queue(draft)
    settle(draft)
    if draft.is_over and draft.timer is not None:
        draft.disarm(RUN_TIMER, draft.timer)
        draft.timer = None
    made = draft.finish("start", None)
    return msgspec.structs.replace(made, started=head)
