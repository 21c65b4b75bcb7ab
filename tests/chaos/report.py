"""What rounds came to: as a table, as JSON for the docs, and for a violation the shortest history that shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from tests.chaos.campaign import OF_NO_RUN, Outcome
from tests.chaos.record import Event, Run, Violation

SHOWN = 12
"""Violations that a failure spells out."""


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The sums over rounds."""
    runs = [run for outcome in outcomes for run in outcome.runs]
    edits = [edit for run in runs for edit in run.edits]
    finals = [run.final for run in runs if run.final is not None]
    return {
        "rounds": dict(Counter(outcome.round.name for outcome in outcomes)),
        "seeds": [outcome.round.seed for outcome in outcomes],
        "seconds_of_faults": round(sum(outcome.round.seconds for outcome in outcomes)),
        "faults": dict(sorted(sum((outcome.faults for outcome in outcomes), Counter()).items())),
        "runs_accepted": sum(run.is_accepted for run in runs),
        "runs_completed": sum(final.head.status == "COMPLETED" for final in finals),
        "tokens": sum(final.head.tokens_made for final in finals),
        "transitions": sum(len(run.events) for run in runs),
        "attempts_executed": sum(line.what == "handed" for run in runs for line in run.ledger),
        "attempts_repeated": sum(change.cause == "worker_lost" for run in runs for change, _ in run.events),
        "recoveries_of_runs": sum(change.cause == "recovered" for run in runs for change, _ in run.events),
        "runs_forked": sum(final.head.forked is not None for final in finals),
        "letters_redriven": sum(len(run.redriven) for run in runs),
        "edits_taken": sum(edit.is_taken for edit in edits),
        "edits_refused": sum(edit.is_refused for edit in edits),
        "edits_unanswered": sum(not edit.is_taken and not edit.is_refused for edit in edits),
        "states_of_runs_compared_with_redis": sum(len(run.kept) for run in runs),
        "violations": sum(len(outcome.violations) for outcome in outcomes),
    }


def table(figures: dict[str, Any]) -> Table:
    """The same for people."""
    shown = Table(title="Chaos campaign", show_header=False)
    for name, value in figures.items():
        if isinstance(value, dict):
            for part, count in value.items():
                shown.add_row(f"{name}: {part}", str(count))
        else:
            shown.add_row(
                name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}"
            )
    return shown


def failure(outcome: Outcome) -> str:
    """What was violated, how to see it again, and the shortest history of a run that shows it."""
    found, plan = outcome.violations, outcome.round
    counted = Counter(violation.check for violation in found)
    lines = [f"round `{plan.name}`, seed {plan.seed}: {len(found)} violations"]
    lines += [f"  {count:4} x {check}" for check, count in counted.items()]
    lines.append(f"again: {plan.again}")
    lines += [f"  {violation.run}: {violation.check}: {violation.says}" for violation in found[:SHOWN]]
    shortest = _shortest(outcome)
    if shortest is not None:
        lines += ["the shortest history:", *history(*shortest)]
    return "\n".join(lines)


def history(run: Run, violation: Violation) -> Iterator[str]:
    """A run up to the event that shows a violation, or all of it, by the journal and by the ledger."""
    yield f"  {run.id}: {violation.check}: {violation.says}"
    events = run.events if violation.seq is None else [event for event in run.events if event[0].seq <= violation.seq]
    for event in events:
        yield f"  {_told(event)}"
    for line in run.ledger:
        yield f"  {line.at} {line.what} {line.token} attempt {line.attempt} {line.data}"
    for edit in run.edits:
        yield f"  {edit.answered_at} edit {edit.id} answered {edit.status}, revision {edit.revision}"


def _shortest(outcome: Outcome) -> tuple[Run, Violation] | None:
    by_id = {run.id: run for run in outcome.runs}
    found = [violation for violation in outcome.violations if violation.run != OF_NO_RUN]
    if not found:
        return None
    shortest = min(found, key=lambda violation: violation.seq or len(by_id[violation.run].events))
    return by_id[shortest.run], shortest


def _told(event: Event) -> str:
    change, _ = event
    ended = [f"{token} {result.status}" for token, result in change.ended.items()]
    opened = [f"{token} {state.state} {state.attempt}" for token, state in change.opened.items()]
    patch = [f"revision {change.patch.revision} {change.patch.operations}"] if change.patch is not None else []
    parts = [f"{change.seq:4} {change.at} {change.cause}", *ended, *opened, *patch, change.status or ""]
    return " | ".join(part for part in parts if part)
