"""What a round tells: its sums, and a violation with its seed and the shortest history that shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pointsman.base.ids import RunId
from tests.chaos.campaign import OF_NO_RUN, Outcome
from tests.chaos.checks import violations
from tests.chaos.record import Run, Violation
from tests.chaos.report import failure, summary
from tests.chaos.rounds import long_round
from tests.chaos.story import retold, sound


def outcome_of(*runs: Run, of_no_run: str = "") -> Outcome:
    """A round with these runs."""
    found = violations(runs) + ([Violation("no process ends by itself", OF_NO_RUN, of_no_run)] if of_no_run else [])
    return Outcome(long_round(7), list(runs), Counter({"kill api": 2}), 1, found)


def test_a_failure_tells_its_seed_and_the_shortest_history() -> None:
    # Given a round in which two runs broke a promise, one of them earlier
    long = replace(sound(), id=RunId("run_long"), left=("counter",))
    short = replace(retold(sound(), 4, tokens_made=9), id=RunId("run_short"), kept=[])
    text = failure(outcome_of(long, short))
    # Then it is told how to see it again, and the history of the shorter one up to there
    assert "seed 7" in text
    assert "again: make chaos SEED=7 MINUTES=0" in text
    told = text.partition("the shortest history:\n")[2].splitlines()
    assert told[0].startswith("  run_short: each transition is what step says: ")
    assert [line.split()[0] for line in told[1:5]] == ["1", "2", "3", "4"]
    assert told[5].split()[1] == "handed"
    assert "run_long" not in "".join(told)


def test_what_no_run_did_is_told_without_a_history() -> None:
    text = failure(outcome_of(sound(), of_no_run="api ended by itself, with 1"))
    assert "api ended by itself, with 1" in text
    assert "history" not in text


def test_the_sums_are_those_of_all_runs_and_rounds() -> None:
    # Given two rounds with a run each
    figures = summary([outcome_of(sound()), outcome_of(sound())])
    # Then everything is counted twice
    assert figures == {
        "rounds": {"everything": 2},
        "seeds": [7, 7],
        "seconds_of_faults": 60,
        "faults": {"kill api": 4},
        "runs_accepted": 2,
        "runs_completed": 2,
        "tokens": 2 * 10,
        "transitions": 2 * len(sound().events),
        "attempts_executed": 2 * 11,
        "attempts_repeated": 0,
        "recoveries_of_runs": 0,
        "runs_forked": 0,
        "letters_redriven": 2,
        "edits_taken": 2,
        "edits_refused": 2,
        "edits_unanswered": 0,
        "states_of_runs_compared_with_redis": 2,
        "violations": 0,
    }
