"""Redrives and skips are facts like any other: whatever they did to a run, its history leads to where it stands."""

from __future__ import annotations

from random import Random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pointsman.base.ids import TokenId
from pointsman.protocol.output import inline
from pointsman.protocol.signal import Redrive, Skip
from tests.support.definitions import Document, definitions
from tests.support.driven import RUN, cel
from tests.support.edited import EditedRun
from tests.support.happenings import advance_by
from tests.support.random_edits import compiled

DOCUMENTS = definitions(cel(), nodes=8, depth=1)
ROUNDS = 30


def decide(run: EditedRun, token: TokenId, order: Random) -> str:
    """Somebody decides about a parked token; what came of it."""
    attempt = run.snapshot.tokens[token].attempt
    if order.random() < 0.3:
        run.take(Skip(RUN, token, attempt, "ann"))
        return "skipped"
    payload = inline({"x": order.randrange(4)}) if order.random() < 0.5 else None
    change = run.take(Redrive(RUN, token, attempt, payload, "ann"))
    if change.reason == "not_a_task":
        run.take(Skip(RUN, token, attempt, "ann"))
        return "skipped"
    return "redriven"


def parked(run: EditedRun) -> list[TokenId]:
    return sorted(token for token, state in run.snapshot.tokens.items() if state.state == "parked")


@settings(max_examples=80, deadline=None)
@given(document=DOCUMENTS, seed=st.integers(0, 10_000))
def test_a_run_that_was_redriven_replays_to_where_it_stands(document: Document, seed: int) -> None:
    # Given a run of any plan that waits where nodes fail, many of which do
    document = {**document, "metadata": {**document.get("metadata", {}), "failure_policy": "park"}}
    run, order = EditedRun(compiled(document)), Random(seed)
    for _ in range(ROUNDS):
        if run.snapshot.is_final:
            break
        # When somebody decides about some of them, now and then
        if waiting := parked(run):
            event(decide(run, order.choice(waiting), order))
        advance_by(run, order.randint(1, 3), order, failing=40)
        # Then an edit that changes nothing finds the run as it is: nothing begins, ends, or goes out
        if not run.snapshot.is_final:
            change = run.weigh(run.program.plan)
            assert (change.opened, change.closed, change.ended, change.dispatches) == ({}, (), {}, ())
