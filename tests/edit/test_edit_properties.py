"""What holds of every edit, on random plans, at random moments (SEMANTICS §8)."""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import assume, event
from hypothesis import strategies as st
from jsonpatch import make_patch

from pointsman.base.errors import EditRefused
from pointsman.base.ids import FrameId, TokenId, split_token
from pointsman.base.sameness import is_same
from pointsman.definition import Document, apply_patch
from pointsman.edit import OnRunning, Replay
from pointsman.edit.effect import Effect, effect_of, plan_hash
from pointsman.edit.inverse import inverse
from pointsman.plan import Plan, encode_plan, plan_digest
from pointsman.protocol.state import OpenToken, Result
from pointsman.protocol.transition import Transition
from pointsman.step import Program
from tests.support.cases import thousands
from tests.support.definitions import definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.happenings import advance_by, drive, happens
from tests.support.markings import marking
from tests.support.random_edits import begun, compiled, edits, lived

DOCUMENTS = definitions(cel(), least=3, nodes=7, depth=2)
SEEDS = st.integers(0, 2**32)
PROGRESS = st.integers(1, 12)
ON_RUNNING: st.SearchStrategy[OnRunning] = st.sampled_from(["refuse", "cancel", "restart"])


class Case(NamedTuple):
    """A run of a random definition, somewhere on its way."""

    document: Document
    run: EditedRun
    order: Random
    on_running: OnRunning


def drawn(data: st.DataObject) -> Case:
    """A case whose run can be edited still."""
    document = data.draw(DOCUMENTS, label="document")
    order = Random(data.draw(SEEDS, label="order"))
    run = begun(document, data.draw(PROGRESS, label="progress"), order, failing=10, upset=10)
    assume(not run.snapshot.is_final)
    return Case(document, run, order, data.draw(ON_RUNNING, label="on_running"))


def weighed(
    run: EditedRun, plan: Plan, on_running: OnRunning = "refuse", before: Replay | None = None
) -> Transition | None:
    """What an edit would change; None where it is refused."""
    try:
        return run.weigh(plan, on_running, before)
    except EditRefused as refused:
        event(f"refused: {refused.code}")
        return None


def is_taken(run: EditedRun, plan: Plan, on_running: OnRunning) -> bool:
    """Whether a run takes an edit; then it has."""
    try:
        run.edit(plan, on_running)
    except EditRefused:
        return False
    return True


def outcomes(run: EditedRun) -> dict[str, tuple[str, object]]:
    """How each activation ended, and with what."""
    return {name: (how.status, how.output) for name, how in run.snapshot.results.items()}


def facts(run: EditedRun) -> dict[str, tuple[str, object]]:
    """What workers brought: no edit changes it. What control nodes pass on follows the plan."""
    tasks = {node.id for node in run.program.plan.nodes if node.kind == "task"}
    return {
        name: how
        for name, how in outcomes(run).items()
        if how[0] in ("completed", "failed") and split_token(TokenId(name))[1] in tasks
    }


def everything(run: EditedRun) -> tuple[object, ...]:
    """All that is kept of a run."""
    held = run.held
    kept = (held.counter, sorted(held.open), dict(held.clock), dict(held.streams), list(held.dispatched))
    return msgspec.json.encode(run.snapshot), run.history, kept, len(run.events)


@thousands
def test_a_run_that_took_an_edit_reaches_its_end(data: st.DataObject) -> None:
    # Given a run of any plan, somewhere on its way
    document, run, order, on_running = drawn(data)
    # When it takes one edit after another while it goes on
    taken = 0
    for edited in edits(order, document):
        brought = facts(run)
        if run.snapshot.is_final or not is_taken(run, edited.plan, on_running):
            continue
        taken += 1
        assert run.snapshot.is_final or outcomes(run).items() >= brought.items(), (
            "an edit changed what had been brought"
        )
        advance_by(run, 2, order, failing=10, upset=10)
    assume(taken)
    event(f"taken: {taken}")
    # Then it ends with nothing left open, but for dead letters that wait for somebody
    drive(run, order, failing=10)
    if run.snapshot.is_final:
        assert (run.held.counter, run.held.streams, run.held.clock) == (0, {}, {})
    else:
        assert set(run.open.values()) == {"parked"}


def passes(run: EditedRun) -> tuple[int, set[FrameId]]:
    """How many passes have begun, and those that are open."""
    return run.snapshot.head.passes_made, set(run.snapshot.frames)


@thousands
def test_signals_before_an_edit_or_behind_it_lead_to_the_same_place(data: st.DataObject) -> None:
    # Given a run, and another that stands where this one has been
    document, order = data.draw(DOCUMENTS, label="document"), Random(data.draw(SEEDS, label="order"))
    last, happened = lived(document, data.draw(PROGRESS, label="progress"), order, failing=10, upset=10)
    assume(happened and not last.snapshot.is_final)
    paused = max((place for place, what in enumerate(happened) if what.kind == "paused"), default=-1)
    # What a pause holds back, it holds back only from then on.
    since = max(paused + 1, len(happened) - data.draw(st.integers(1, 6), label="since"))
    first = EditedRun(compiled(document))
    for what in happened[:since]:
        happens(first, what)
    # A pass that has ended keeps the plan it had.
    while since < len(happened) and passes(first) != passes(last):
        happens(first, happened[since])
        since += 1
    assume(since < len(happened))
    plans = (edited.plan for edited in edits(order, document))
    plan = next((plan for plan in plans if weighed(first, plan) and weighed(last, plan)), None)
    assume(plan is not None)
    assert plan is not None
    # When the one is edited behind all that, and the other before it happens there too
    last.edit(plan)
    first.edit(plan)
    for what in happened[since:]:
        assume(happens(first, what))
    # Then they stand at the same place again, and come to the same end
    assert marking(first) == marking(last)
    for run in (first, last):
        drive(run, Random(0))
    assert marking(first) == marking(last)


@thousands
def test_an_edit_on_which_nothing_rests_is_taken_back_whole(data: st.DataObject) -> None:
    # Given a run, and an edit of its future: it hands nothing to a worker, passes no node, ends nothing
    document, run, order, _ = drawn(data)
    stands = marking(run)
    edited = next((edited for edited in edits(order, document) if is_ahead(run, weighed(run, edited.plan))), None)
    assume(edited is not None)
    assert edited is not None
    operations = make_patch(document, edited.document).patch
    run.edit(edited.plan)
    # When it is taken back
    reverted = apply_patch(edited.document, inverse(document, operations))
    run.edit(compiled(reverted))
    # Then definition, plan and marking are what they were
    assert is_same(reverted, document)
    assert run.program.plan == compiled(document)
    assert marking(run) == stands


def is_ahead(run: EditedRun, change: Transition | None) -> bool:
    """Whether an edit would be taken, and nothing comes of it yet but skips, waits and what is held back."""
    if change is None or change.status is not None or change.dispatches:
        return False
    # Not even that a node is passed, or taken from a worker who had it: of that, a trace stays. A control node that an
    # edit takes out of a loop is passed where it then stands, and what its last pass had handed up gives way to that.
    in_loops = {node for region in run.program.regions.values() for node in region.nodes}
    before = {
        token
        for token, result in run.snapshot.results.items()
        if result.status in ("completed", "failed") and split_token(token)[1] not in in_loops
    }
    return before >= {token for token, result in change.ended.items() if result.status != "skipped"}


class Before(NamedTuple):
    """What there was of a run before an edit."""

    tokens: dict[TokenId, OpenToken]
    results: dict[TokenId, Result]
    out: dict[TokenId, int]
    """The attempts that were on the streams."""

    @classmethod
    def of(cls, run: EditedRun) -> Before:
        """What there is."""
        return cls(dict(run.snapshot.tokens), dict(run.snapshot.results), attempts(run))


def attempts(run: EditedRun) -> dict[TokenId, int]:
    """The attempts that are on the streams."""
    return {token: task.attempt for token, task in run.held.streams.items()}


def assert_came_true(told: Effect, before: Before, run: EditedRun) -> None:
    """What became of a run, its streams included, is what was told."""
    after = run.snapshot
    assert {name: after.tokens[name].state for name in after.tokens.keys() - before.tokens.keys()} == {
        name: how for name, how in told.fired.items() if how not in ("completed", "failed")
    }
    assert before.tokens.keys() - after.tokens.keys() == {*told.cancelled} | {
        token for token in told.skipped if token in before.tokens
    }
    put_out = {token for token, attempt in attempts(run).items() if before.out.get(token) != attempt}
    fired = {token for token, how in told.fired.items() if how == "dispatched"}
    assert put_out == fired | {token for token in told.restarted if after.tokens[token].state == "dispatched"}
    now = {token for token, result in after.results.items() if result.status == "skipped"}
    was = {token for token, result in before.results.items() if result.status == "skipped"}
    assert now - was == {*told.skipped}
    assert (told.status or "RUNNING") == (run.status if run.snapshot.is_final else "RUNNING")


@thousands
def test_what_a_preview_tells_is_what_comes_of_the_edit(data: st.DataObject) -> None:
    # Given a run, and the preview of an edit that it would take
    document, run, order, on_running = drawn(data)
    found = ((edited.plan, weighed(run, edited.plan, on_running)) for edited in edits(order, document))
    plan, change = next(((plan, change) for plan, change in found if change is not None), (None, None))
    assume(plan is not None)
    assert plan is not None
    assert change is not None
    told, digest = effect_of(run.program, Program(plan, cel()), run.snapshot, change), plan_digest(encode_plan(plan))
    # When it lands later, behind transitions that touch no token
    before = Before.of(run)
    run.now += 5_000
    run.snapshot.head.seq += 7
    committed = run.weigh(plan, on_running)
    again = effect_of(run.program, Program(plan, cel()), run.snapshot, committed)
    run.snapshot.head.seq -= 7
    run.edit(plan, on_running)
    # Then it has the hash of the preview, and that is what becomes of the run
    assert plan_hash(digest, again) == plan_hash(digest, told)
    assert_came_true(told, before, run)


@thousands
def test_an_edit_that_is_refused_changes_nothing(data: st.DataObject) -> None:
    # Given a run, an editor who has looked at it before, and an edit that is refused for what has happened
    document, run, order, on_running = drawn(data)
    stands, text, kept = everything(run), json.dumps(document), Replay(run.program)
    found = ((edited, weighed(run, edited.plan, on_running, kept)) for edited in edits(order, document))
    refused = next((edited for edited, change in found if change is None), None)
    assume(refused is not None)
    assert refused is not None
    # Then the run is as it was, and what the editor knows of it is right
    assert everything(run) == stands
    assert weighed(run, run.program.plan, "refuse", kept) == weighed(run, run.program.plan)
    # When another is refused for its last operation
    wrong = [*make_patch(document, refused.document).patch, {"op": "remove", "path": "/nodes/nobody"}]
    with pytest.raises(EditRefused):
        apply_patch(document, wrong)
    # Then the definition is as it was
    assert json.dumps(document) == text
