"""`edit`: what changing a run's plan changes in the run, or why it cannot be changed (SEMANTICS §8)."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.base.errors import EditRefused, PointsmanError, Problem
from pointsman.base.ids import Millis
from pointsman.edit.catch_up import catch_up
from pointsman.edit.compliance import OnRunning, changed_tasks, divergence, objections
from pointsman.edit.idle import without_effect
from pointsman.edit.replay import Replay
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.state import Snapshot
from pointsman.protocol.transition import Patch, Transition
from pointsman.step import Program


class ReplayDiverged(PointsmanError):
    """A history that does not lead to its run's state: an internal error, never a verdict on an edit."""


def edit(
    old: Program,
    new: Program,
    run: Snapshot,
    history: Sequence[HistoryRecord],
    patch: Patch,
    now: Millis,
    on_running: OnRunning = "refuse",
) -> Transition:
    """Say what giving a run another plan changes in it, without changing it.

    Args:
        old: The plan the run has.
        new: The plan it is to have.
        run: Its state.
        history: Its taken signals, at the same tip as `run`.
        patch: What is recorded about the edit.
        now: When it lands.
        on_running: What shall become of tasks that are out and that the new plan does not have, or has otherwise.

    Raises:
        EditRefused: EDT021 to EDT028, something happened that the new plan would not have let happen, or that no plan
            can change any more: each such node is in `problems`, with the shortest story that goes wrong.
        ReplayDiverged: EDT090.
        OutputsNeeded: It reads outputs that are not in `run.blobs`.
    """
    return Editing(Replay(old), Replay(new), on_running).weigh(run, history, patch, now)


class Editing:
    """One edit, weighed again and again while its run moves on: each time only what has come in is replayed.

    `before` replays on the plan the run has, `after` on the one it is to have. Once another edit has landed, this one
    is over.
    """

    def __init__(self, before: Replay, after: Replay, on_running: OnRunning = "refuse") -> None:
        self.before = before
        self.after = after
        self._on_running = on_running

    def weigh(self, run: Snapshot, history: Sequence[HistoryRecord], patch: Patch, now: Millis) -> Transition:
        """What `edit` says, and raises, of the run as it is."""
        old, new = self.before.program, self.after.program
        before = self.before.of(run, history)
        wrong = divergence(run, before)
        if wrong is not None:
            raise ReplayDiverged("EDT090", f"run {run.head.run_id}: replaying its history went another way: {wrong}")
        after = self.after.of(run, history)
        problems = [*without_effect(old, new, run, after.state), *objections(run, before, after, new, self._on_running)]
        if problems:
            raise _refusal(problems)
        restarted = changed_tasks(run, before, after) if self._on_running == "restart" else set()
        return catch_up(new, run, after.state, patch, now, sorted(restarted))


def _refusal(problems: list[Problem]) -> EditRefused:
    first = problems[0]
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    told = f"the patch would change what has happened: {first.message}{more}. Nothing was changed"
    return EditRefused(first.code, told, problems=tuple(problems))
