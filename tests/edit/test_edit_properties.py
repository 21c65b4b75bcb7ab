"""What holds of every edit, on random plans, at random moments (SEMANTICS §8)."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused, InvalidDefinition
from pointsman.plan import Plan
from pointsman.protocol.transition import Transition
from tests.support.definitions import Document, definitions
from tests.support.driven import cel
from tests.support.edited import EditedRun
from tests.support.random_edits import additions, advance_by, compiled, drive

CEL = cel()


def weighed(run: EditedRun, plan: Plan) -> Transition | None:
    """What an edit would change; None where it is refused. Either way the run must not notice."""
    before = msgspec.json.encode(run.snapshot)
    try:
        return run.weigh(plan)
    except EditRefused:
        return None
    finally:
        assert msgspec.json.encode(run.snapshot) == before, "weighing an edit changed the run"


def edited_plan(data: st.DataObject, document: Document) -> Plan:
    edited = data.draw(additions(document), label="edited")
    try:
        return compiled(edited)
    except InvalidDefinition:
        assume(False)
        raise


@given(st.data())
def test_a_run_that_took_an_edit_reaches_its_end(data: st.DataObject) -> None:
    # Given a run of any plan, somewhere on its way
    document = data.draw(definitions(CEL, nodes=7, depth=2), label="document")
    order = Random(data.draw(st.integers(0, 2**32), label="order"))
    run = EditedRun(compiled(document))
    advance_by(run, data.draw(st.integers(0, 12), label="progress"), order, failing=10)
    assume(not run.snapshot.is_final)
    # When it takes an edit
    plan = edited_plan(data, document)
    assume(weighed(run, plan) is not None)
    run.edit(plan)
    # Then it ends, with nothing left open but dead letters that wait for somebody
    drive(run, order, failing=10)
    assert run.snapshot.is_final or set(run.open.values()) == {"parked"}
    assert not run.snapshot.is_final or run.open == {}


@given(st.data())
def test_when_an_edit_lands_makes_no_difference(data: st.DataObject) -> None:
    # Given two runs of one plan, one further on its way than the other
    document = data.draw(definitions(CEL, nodes=7, depth=0, failures=False), label="document")
    assume(not any(node.get("join") not in (None, "all") for node in document["nodes"]))
    seed = data.draw(st.integers(0, 2**32), label="order")
    early, late = EditedRun(compiled(document)), EditedRun(compiled(document))
    sooner = data.draw(st.integers(0, 6), label="sooner")
    advance_by(early, sooner, Random(seed))
    advance_by(late, sooner + data.draw(st.integers(1, 6), label="later"), Random(seed))
    assume(not late.snapshot.is_final)
    # When both take the same edit and go on to their end
    plan = edited_plan(data, document)
    assume(weighed(early, plan) is not None and weighed(late, plan) is not None)
    for run in (early, late):
        run.edit(plan)
        drive(run, Random(seed))
    # Then they ended the same
    assert early.status == late.status
    assert {name: (how, early.snapshot.results[name].output) for name, how in statuses(early)} == {
        name: (how, late.snapshot.results[name].output) for name, how in statuses(late)
    }


def statuses(run: EditedRun) -> list[tuple[str, str]]:
    return [(name, result.status) for name, result in run.snapshot.results.items()]
