"""A run driven by hand that can be edited on the way: its history is kept as the stores keep it."""

from __future__ import annotations

from typing import Any

from pointsman.base.ids import Digest, Millis
from pointsman.edit import Editing, OnRunning, Replay, edit
from pointsman.plan import Plan, encode_plan, plan_digest
from pointsman.protocol.history import HistoryRecord
from pointsman.protocol.transition import Patch, Sealed, Transition, seal
from pointsman.step import Program, advance
from pointsman.step.kept import keep, read_history
from tests.support.driven import RUN, Run, cel


class EditedRun(Run):
    """A run that takes edits."""

    def __init__(self, plan: Plan, run_input: Any = None) -> None:
        self._history: dict[str, bytes] = {}
        super().__init__(plan, run_input)

    @property
    def history(self) -> list[HistoryRecord]:
        """What the editor replays."""
        return read_history(RUN, self._history)

    def weigh(self, plan: Plan, on_running: OnRunning = "refuse", before: Replay | None = None) -> Transition:
        """What giving the run another plan would change. Raises as `edit` does.

        `before` is a replay on the plan it has, kept from looking at the run earlier.
        """
        digest = plan_digest(encode_plan(plan))
        head = self.snapshot.head
        patch = Patch(head.revision + 1, digest, Digest("e" * 64), head.definition)
        new, now = Program(plan, cel()), Millis(self.now)
        if before is None:
            return edit(self.program, new, self.snapshot, self.history, patch, now, on_running)
        return Editing(before, Replay(new), on_running).weigh(self.snapshot, self.history, patch, now)

    def edit(self, plan: Plan, on_running: OnRunning = "refuse") -> Transition:
        """Give the run another plan."""
        sealed = seal(self.weigh(plan, on_running))
        self.last = sealed.transition
        advance(self.snapshot, sealed.transition, sealed.tip)
        self.program = Program(plan, cel())
        self._write(sealed)
        return sealed.transition

    def _write(self, sealed: Sealed) -> None:
        keep(self._history, sealed.transition)
        super()._write(sealed)
