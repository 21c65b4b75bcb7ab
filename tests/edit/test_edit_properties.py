"""What holds of every edit, on random plans, at random moments (SEMANTICS §8)."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.edit import OnRunning
from pointsman.plan import Plan
from pointsman.protocol.transition import Transition
from tests.support.definitions import definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.random_edits import begun, compiling, drive

CEL = cel()
SEEDS = st.integers(0, 2**32)
# Runs that end before anything can be edited are filtered out; so are edits that do not compile or are refused.
MANY = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)


def weighed(run: EditedRun, plan: Plan, on_running: OnRunning = "refuse") -> Transition | None:
    """What an edit would change; None where it is refused. Either way the run must not notice."""
    before = msgspec.json.encode(run.snapshot)
    try:
        return run.weigh(plan, on_running)
    except EditRefused as refused:
        event(f"refused: {refused.code}")
        return None
    finally:
        assert msgspec.json.encode(run.snapshot) == before, "weighing an edit changed the run"


def facts(run: EditedRun) -> dict[str, tuple[str, object]]:
    """What workers brought: no edit changes it. What control nodes pass on follows the plan."""
    tasks = {node.id for node in run.program.plan.nodes if node.kind == "task"}
    brought = {name: how for name, how in run.snapshot.results.items() if how.status in ("completed", "failed")}
    return {name: (how.status, how.output) for name, how in brought.items() if name.partition(":")[2] in tasks}


@given(st.data())
@MANY
def test_a_run_that_took_an_edit_reaches_its_end(data: st.DataObject) -> None:
    # Given a run of any plan, somewhere on its way
    document = data.draw(definitions(CEL, nodes=7, depth=2), label="document")
    order = Random(data.draw(SEEDS, label="order"))
    run = begun(document, data.draw(st.integers(0, 12), label="progress"), order, failing=10)
    assume(not run.snapshot.is_final)
    on_running: OnRunning = data.draw(st.sampled_from(["refuse", "cancel", "restart"]), label="on_running")
    # When it takes one edit after another
    taken = 0
    for plan in compiling(order, document):
        if run.snapshot.is_final or weighed(run, plan, on_running) is None:
            continue
        brought = facts(run)
        run.edit(plan, on_running)
        taken += 1
        assert run.snapshot.is_final or facts(run).items() >= brought.items(), "an edit changed what had been brought"
    assume(taken)
    event(f"taken: {taken}")
    # Then it ends, with nothing left open but dead letters that wait for somebody
    drive(run, order, failing=10)
    assert run.snapshot.is_final or set(run.open.values()) == {"parked"}


@given(st.data())
@MANY
def test_when_an_edit_lands_makes_no_difference(data: st.DataObject) -> None:
    # Given two runs of one plan, one further on its way than the other
    document = data.draw(definitions(CEL, nodes=7, depth=0, failures=False), label="document")
    assume(not any(node.get("join") not in (None, "all") for node in document["nodes"]))
    seed = data.draw(SEEDS, label="order")
    sooner, later = data.draw(st.integers(0, 4), label="sooner"), data.draw(st.integers(1, 6), label="later")
    plans = compiling(Random(seed), document)
    early, late = begun(document, sooner, Random(seed)), begun(document, sooner + later, Random(seed))
    # When both take the same edit and go on to their end
    plan = next((plan for plan in plans if weighed(early, plan) and weighed(late, plan)), None)
    assume(plan is not None and not late.snapshot.is_final)
    assert plan is not None
    for run in (early, late):
        run.edit(plan)
        drive(run, Random(seed))
    # Then they ended the same
    assert early.status == late.status
    if early.status == "COMPLETED":
        # A run that failed fast has cancelled what happened to be out at that moment.
        assert early.ended == late.ended
        assert facts(early) == facts(late)
