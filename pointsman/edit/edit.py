"""`edit`: what changing a run's plan changes in the run, or why it cannot be changed (SEMANTICS §8)."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.base.errors import EditRefused, PointsmanError, Problem
from pointsman.base.ids import Millis
from pointsman.edit.additive import not_additive
from pointsman.edit.catch_up import catch_up
from pointsman.edit.compliance import divergence, objections
from pointsman.edit.replay import replay
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Patch, Transition
from pointsman.step import Program


class ReplayDiverged(PointsmanError):
    """A history that does not lead to its run's state: an internal error, never a verdict on an edit."""


def edit(
    old: Program, new: Program, run: Snapshot, history: Sequence[HistoryRecord], patch: Patch, now: Millis
) -> Transition:
    """Say what giving a run another plan changes in it, without changing it.

    Args:
        old: The plan the run has.
        new: The plan it is to have.
        run: Its state.
        history: Its taken signals, at the same tip as `run`.
        patch: What is recorded about the edit.
        now: When it lands.

    Raises:
        EditRefused: EDT020 it is more than an addition; EDT021 to EDT026 something happened that the new plan would not
            have let happen: each such node is in `problems`.
        ReplayDiverged: EDT090.
        OutputsNeeded: It reads outputs that are not in `run.blobs`.
    """
    refused = not_additive(old.plan, new.plan)
    if refused:
        raise _refusal("the patch does more than add nodes and edges", refused)
    before = replay(old, run, history)
    wrong = divergence(run, before)
    if wrong is not None:
        raise ReplayDiverged("EDT090", f"run {run.head.run_id}: replaying its history went another way: {wrong}")
    after = replay(new, run, history)
    refused = objections(run, before, after)
    if refused:
        raise _refusal("the patch would change what has happened", refused)
    return catch_up(new, run, after.state, patch, now)


def _refusal(why: str, problems: list[Problem]) -> EditRefused:
    count = f"{len(problems)} problems" if len(problems) > 1 else problems[0].message
    return EditRefused(problems[0].code, f"{why}: {count}", problems=tuple(problems))
