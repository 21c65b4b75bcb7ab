"""What must hold of every run, whatever happened to the processes: pure, each from what others tell of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from tests.chaos.checks import ending, execution, journal, letters, redis_state, revisions
from tests.chaos.record import Run, Violation

Check = Callable[[Run], Iterable[str | tuple[str, int]]]
"""What is wrong, each with the number of the event that shows it where there is one."""

CHECKS: Final[Mapping[str, Check]] = {
    "every accepted run ends": ending.ends,
    "an ended run leaves nothing open": ending.leaves_nothing,
    "the API shows what the journal says": ending.is_shown_as_it_was,
    "events follow each other without a gap": journal.follows,
    "each transition is what step says": journal.is_explained,
    "each token is completed once": execution.completes_once,
    "only what was handed out is executed": execution.executes_what_was_handed_out,
    "each node was led to": execution.is_led_to,
    "a join has seen every edge": execution.joins_saw_every_edge,
    "no output is lost": execution.keeps_outputs,
    "revisions have no gap": revisions.have_no_gap,
    "an edit does what was asked": revisions.do_what_was_asked,
    "an answered edit is kept, a refused one changes nothing": revisions.are_as_answered,
    "nothing removed is executed": revisions.removed_is_not_executed,
    "a dead letter is redriven once": letters.are_redriven_once,
    "Redis holds what the journal folds to": redis_state.is_the_fold,
}


def violations(runs: Sequence[Run]) -> list[Violation]:
    """Everything that is wrong with these runs."""
    found = []
    for run in runs:
        for name, check in CHECKS.items():
            found += [Violation(name, run.id, *_with_seq(wrong)) for wrong in check(run)]
    return found


def _with_seq(wrong: str | tuple[str, int]) -> tuple[str, int | None]:
    return (wrong, None) if isinstance(wrong, str) else wrong
