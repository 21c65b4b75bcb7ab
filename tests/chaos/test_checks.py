"""Each check passes a history that went by the rules, and finds the one that did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from msgspec.structs import replace as changed

from pointsman.base.ids import EdgeId, Millis, RunId, Tip, TokenId
from pointsman.protocol.transition import Transition
from tests.chaos.checks import CHECKS, violations
from tests.chaos.checks.rest import is_left_behind
from tests.chaos.record import Edit, Line, Redriven, Run
from tests.chaos.story import DEFINITIONS, LOOK_AT, NEW, chained, number_of, opened_otherwise, retold, sound, sound_fork
from tests.support.driven import RUN, token


def patched_otherwise(run: Run, **fields: Any) -> Run:
    """The same history, its edit otherwise."""
    (patch,) = (change for change, _ in run.events if change.patch is not None)
    assert patch.patch is not None
    return retold(run, patch.seq, patch=changed(patch.patch, **fields))


def in_ledger(run: Run, what: str, name: str, **fields: Any) -> Run:
    """The same history, a line of the ledger otherwise."""
    lines = [changed(line, **fields) if (line.what, line.token) == (what, token(name)) else line for line in run.ledger]
    return replace(run, ledger=lines)


def kept_otherwise(run: Run, **fields: Any) -> Run:
    """The same history, Redis holding something else."""
    return replace(run, kept=[run.kept[0]._replace(**fields)])


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    """All but one."""
    return {key: value for key, value in content.items() if key != name}


def completed_twice(run: Run) -> Run:
    number = number_of(run, "both")
    changes = [change for change, _ in run.events]
    again = changed(changes[number - 1], seq=len(changes) + 1)
    return replace(run, events=chained([*changes, again]))


def handed_out_twice(run: Run) -> Run:
    number = number_of(run, "both")
    opened = dict(run.events[number - 1][0].opened)
    later = changed(opened[token("both")], dispatched_at=Millis(1))
    changes = [change for change, _ in run.events]
    changes.insert(number, Transition(RUN, number + 1, Tip(""), Millis(0), "timer", opened={token("both"): later}))
    return replace(run, events=chained(changes))


def joined_less(run: Run) -> Run:
    number = number_of(run, "both")
    joined = {token("both"): {EdgeId("right->both"): "live"}}
    first = number_of(run, "left") + 2
    assert token("both") in run.events[first - 1][0].joined
    return retold(retold(run, first, joined={}), number, joined=joined)


def removed_and_handed_out(run: Run) -> Run:
    edit = changed(run.edits[0], removes=("end",), answered_at=10**9)
    return replace(run, edits=[edit, run.edits[1]])


def removed_and_begun(run: Run) -> Run:
    return replace(run, edits=[changed(run.edits[0], removes=("a",), answered_at=0), run.edits[1]])


def redriven_otherwise(run: Run, **fields: Any) -> Run:
    return replace(run, redriven=[changed(run.redriven[0], **fields)])


def redriven_twice(run: Run) -> Run:
    changes = [change for change, _ in run.events]
    (number,) = (at for at, change in enumerate(changes) if change.cause == "redrive")
    return replace(run, events=chained([*changes, changed(changes[number], seq=len(changes) + 1)]))


def executed_unseen(run: Run, times: int) -> Run:
    """The same history, an attempt executed that the journal knows nothing of."""
    line = Line(9, "handed", RUN, token("never"), 1, "never")
    return replace(run, ledger=[*run.ledger, *[line] * times])


Breaking = Callable[[Run], Run]
REDIS: Final = "Redis holds what the journal folds to"
BREACHES: Final[list[tuple[str, Breaking]]] = [
    ("every accepted run ends", lambda run: replace(run, events=run.events[:-1])),
    ("every accepted run ends", lambda run: replace(run, events=[])),
    ("every accepted run ends", lambda run: retold(run, len(run.events), status="FAILED")),
    ("an ended run leaves nothing open", lambda run: retold(run, len(run.events), closed=())),
    ("an ended run leaves nothing open", lambda run: replace(run, left=("counter",))),
    ("the API shows what the journal says", lambda run: replace(run, shown={**run.shown, "status": "FAILED"})),
    ("the API shows what the journal says", lambda run: replace(run, shown={**run.shown, "output": None})),
    ("the API shows what the journal says", lambda run: replace(run, shown={})),
    ("events follow each other without a gap", lambda run: replace(run, events=run.events[:4] + run.events[5:])),
    ("events follow each other without a gap", lambda run: retold(run, 4, seq=5)),
    ("each transition is what step says", lambda run: retold(run, number_of(run, "left"), tokens_made=9)),
    ("each transition is what step says", lambda run: retold(run, 1, at=Millis(5))),
    ("each token is completed once", completed_twice),
    ("each token is completed once", handed_out_twice),
    ("each token is completed once", lambda run: replace(run, ledger=[*run.ledger, run.ledger[0]])),
    (
        "only what was handed out is executed",
        lambda run: replace(run, ledger=[*run.ledger, Line(9, "handed", RUN, TokenId(":never"), 1, "never")]),
    ),
    ("only what was handed out is executed", lambda run: in_ledger(run, "handed", "both", attempt=2)),
    ("each node was led to", lambda run: opened_otherwise(run, "end", sources=())),
    ("each node was led to", lambda run: opened_otherwise(run, "end", sources=(EdgeId("both->never"),))),
    ("each node was led to", lambda run: opened_otherwise(run, "both", sources=(EdgeId("gone->both"),))),
    ("each node was led to", lambda run: retold(run, number_of(run, "both"), ended={})),
    ("a join has seen every edge", joined_less),
    ("a join has seen every edge", lambda run: retold(run, number_of(run, "both"), joined={})),
    ("no output is lost", lambda run: in_ledger(run, "reported", "end", data={"n": 8})),
    ("no output is lost", lambda run: in_ledger(run, "reported", "both", attempt=2)),
    ("no output is lost", lambda run: in_ledger(run, "handed", "review[2]:review", data={"n": 8})),
    ("no output is lost", lambda run: in_ledger(run, "handed", "end", data={"n": 8})),
    ("no output is lost", lambda run: in_ledger(run, "reported", "right", data={"n": 4})),
    ("no output is lost", lambda run: in_ledger(run, "handed", "both", data={"left": {"n": 2}, "right": {"n": 3}})),
    ("no output is lost", lambda run: in_ledger(run, "handed", "both", data={"left": {"n": 2}})),
    ("revisions have no gap", lambda run: patched_otherwise(run, revision=3)),
    ("revisions have no gap", lambda run: patched_otherwise(run, base_definition=NEW)),
    ("an edit does what was asked", lambda run: patched_otherwise(run, operations=())),
    ("an edit does what was asked", lambda run: replace(run, definitions={**DEFINITIONS, NEW: b"{}"})),
    (
        "an answered edit is kept, a refused one changes nothing",
        lambda run: replace(run, edits=[*run.edits, Edit("e3", RUN, 200, 0, 3)]),
    ),
    (
        "an answered edit is kept, a refused one changes nothing",
        lambda run: replace(run, edits=[changed(run.edits[0], status=409, revision=0)]),
    ),
    (
        "an answered edit is kept, a refused one changes nothing",
        lambda run: replace(run, edits=[changed(run.edits[0], revision=3)]),
    ),
    ("an answered edit is kept, a refused one changes nothing", lambda run: replace(run, edits=[])),
    ("nothing removed is executed", removed_and_handed_out),
    ("nothing removed is executed", removed_and_begun),
    ("a dead letter is redriven once", redriven_twice),
    ("a dead letter is redriven once", lambda run: redriven_otherwise(run, seq=2)),
    ("a dead letter is redriven once", lambda run: redriven_otherwise(run, attempt=3)),
    ("a dead letter is redriven once", lambda run: redriven_otherwise(run, letter="dl_2")),
    (REDIS, lambda run: kept_otherwise(run, timers={})),
    (REDIS, lambda run: kept_otherwise(run, timers={b"run_1 other 1": 1.0})),
    (REDIS, lambda run: kept_otherwise(run, tasks={})),
    (REDIS, lambda run: replace(run, events=run.events[: LOOK_AT - 1])),
    *(
        (REDIS, lambda run, name=name: kept_otherwise(run, keys=without(run.kept[0].keys, name)))
        for name in ("counter", "ir", "tokens", "context", "frames", "joins", "history")
    ),
]


def test_a_history_by_the_rules_is_found_without_fault() -> None:
    assert violations([sound()]) == []


def test_the_history_has_all_that_the_checks_are_about() -> None:
    # Given the history, then Redis was looked at when every family of keys was there, a timer and a task
    kept = sound().kept[0]
    assert sorted(kept.keys) == ["context", "counter", "frames", "history", "ir", "joins", "run", "tokens"]
    assert (len(kept.timers), len(kept.tasks)) == (1, 1)
    # And there was a retry, a skip, a second pass, an edit, and a dead letter
    told = {change.cause for change, _ in sound().events}
    assert told == {"start", "failed", "timer", "completed", "patch", "redrive"}


@pytest.mark.parametrize(("check", "breaking"), BREACHES, ids=lambda given: given if isinstance(given, str) else "")
def test_a_history_against_the_rules_is_found_out(check: str, breaking: Breaking) -> None:
    found = violations([breaking(sound())])
    assert check in {violation.check for violation in found}


def test_every_check_has_a_history_that_it_finds_out() -> None:
    assert {check for check, _ in BREACHES} == CHECKS.keys()


def test_each_loss_of_redis_may_have_cost_an_attempt_and_no_more() -> None:
    # Given a run during which Redis lost all it had
    run = replace(sound(), losses=(2,))
    # Then an attempt that no event tells of is put down to that, and so is one that was executed again
    assert violations([executed_unseen(run, 1)]) == []
    assert violations([replace(run, ledger=[*run.ledger, run.ledger[0]])]) == []
    # But not two, nor what lost an output
    assert violations([executed_unseen(run, 2)]) != []
    assert violations([in_ledger(run, "reported", "end", data={"n": 8})]) != []


def test_what_redis_held_before_it_lost_all_may_not_be_in_the_journal() -> None:
    # Given a look at Redis, of an event in whose place the journal has another one
    run = retold(sound(), LOOK_AT, reason="another")
    assert REDIS in {violation.check for violation in violations([run])}
    # Then it is passed over where Redis lost everything after that, in a later epoch
    assert REDIS not in {violation.check for violation in violations([replace(run, losses=(2,))])}
    assert REDIS in {violation.check for violation in violations([replace(run, losses=(1,))])}


def test_a_run_that_is_doomed_may_fail_if_it_goes_on_in_another() -> None:
    check, letter = "every accepted run ends", Redriven(RUN, "dl_2", became=RunId("run_2"))
    failed = retold(sound(), len(sound().events), status="FAILED")
    # Given runs that failed, then only the one is right of which that was known, and whose letter was redriven
    told = [
        replace(failed, is_doomed=True, redriven=[letter]),
        replace(failed, is_doomed=False, redriven=[letter]),
        replace(failed, is_doomed=True, redriven=[]),
    ]
    assert [check in {violation.check for violation in violations([run])} for run in told] == [False, True, True]


def test_a_fork_begins_as_the_journal_of_the_other_run_has_it() -> None:
    # Given a fork by the rules
    assert violations([sound_fork()]) == []
    # Then one that kept something else is found out, and so is one of a run that has no such event
    otherwise = retold(sound_fork(), 1, tokens_made=3)
    shorter = replace(sound_fork(), origin=replace(sound(), events=sound().events[:-1]))
    for run in (otherwise, shorter):
        assert "each transition is what step says" in {violation.check for violation in violations([run])}


def test_a_run_that_nobody_was_promised_may_be_missing() -> None:
    assert violations([Run(RunId("run_1"), [], is_accepted=False)]) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wf.signals", [(b"1-1", {})]),
        ("wf.tasks.chaos", [(b"1-1", {})]),
        ("wf.timers", {b"run_1 x 1": 1.0}),
        ("wf.plans", {b"p": b"1"}),
        ("wf.signals.rejected", [(b"1-1", {})]),
        ("counter:run_1", b"0"),
        ("completion_signals.staging", [b"{}"]),
    ],
)
def test_what_ended_runs_left_in_redis_is_found(name: str, content: Any) -> None:
    belongs = {
        "epoch": b"1",
        "wf.types": [b"chaos"],
        "wf.workers": {b"w": b"chaos"},
        "worker:w": b"1",
        "ended:run_1": b"",
        "wf.events": [],
    }
    assert list(is_left_behind(belongs)) == []
    assert len(list(is_left_behind({**belongs, name: content}))) == 1
