"""What holds of every pattern, on random definitions and in random runs."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from pointsman.base.errors import EditRefused
from pointsman.base.sameness import is_same
from pointsman.definition import Operation, apply_patch
from pointsman.edit.inverse import inverse
from pointsman.edit.patterns import apply_pattern, read_request
from pointsman.edit.patterns.rewrite import Rewrite
from pointsman.plan import Edge, Plan
from tests.edit.patterns.random_requests import requests
from tests.support.definitions import Document, definitions
from tests.support.driven import cel
from tests.support.happenings import drive
from tests.support.random_edits import begun, compiled

CEL = cel()
SEEDS = st.integers(0, 2**32)
MANY = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)


def applied(document: Document, request: dict[str, Any]) -> tuple[list[Operation], Document] | None:
    """What a request becomes; None where it is refused. Either way the document must not notice."""
    before = deepcopy(document)
    try:
        return apply_pattern(document, read_request(request))
    except EditRefused as refused:
        event(f"{request['pattern']}: {refused.code}")
        return None
    finally:
        assert document == before


def out(plan: Plan) -> dict[str, list[Edge]]:
    """The edges out of each node, in order."""
    found: dict[str, list[Edge]] = {node.id: [] for node in plan.nodes}
    for edge in plan.edges:
        found[edge.source].append(edge)
    return found


@given(st.data())
@MANY
def test_a_pattern_that_can_be_applied_gives_a_definition_that_compiles(data: st.DataObject) -> None:
    # Given any definition, however it is spelled
    document = data.draw(definitions(CEL, nodes=8, depth=2, spellings=True), label="document")
    for request in requests(Random(data.draw(SEEDS)), document, 5):
        # When any pattern can be applied to it
        made = applied(document, request)
        if made is not None:
            event(f"{request['pattern']}: applied")
            operations, changed = made
            # Then its operations make the new document, which compiles, and their inverse leads back
            assert apply_patch(document, operations) == changed
            compiled(changed)
            assert is_same(apply_patch(changed, inverse(document, operations)), document)


@given(definitions(CEL, nodes=8, depth=2, spellings=True))
@MANY
def test_writing_the_ways_out_as_edges_leaves_the_plan_as_it_is(document: Document) -> None:
    # Given a definition in which nodes say themselves which nodes follow
    work = Rewrite(document)
    # When every way is written out as an edge
    for node in work.nodes:
        work.write_out(node)
    work.finish()
    # Then nodes say so no more, and each node has the same ways out in the same order
    assert not any("branch" in node or "break_path" in node.get("loop", {}) for node in work.document["nodes"])
    before, after = compiled(document), compiled(work.document)
    assert after.nodes == before.nodes
    assert out(after) == out(before)


@given(st.data())
@MANY
def test_a_deletion_keeps_the_order_of_the_nodes_that_stay(data: st.DataObject) -> None:
    # Given a definition, and a deletion that can be made in it
    document = data.draw(definitions(CEL, nodes=8, depth=1, failures=False), label="document")
    drawn = requests(Random(data.draw(SEEDS)), document, 30)
    made = [(request, applied(document, request)) for request in drawn if request["pattern"] == "delete"]
    found = [(request["nodes"], changed) for request, changed in made if changed is not None]
    assume(found)
    nodes, (_, changed) = found[0]
    # Then of the other nodes, the same come after each other
    before, after = Rewrite(document), Rewrite(changed)
    for node in after.nodes:
        assert after.reached(node) == before.reached(node) - set(nodes), node


@given(st.data())
@MANY
def test_a_run_takes_a_pattern_whole_or_not_at_all_and_reaches_its_end(data: st.DataObject) -> None:
    # Given a run of any definition, somewhere on its way
    document = data.draw(definitions(CEL, nodes=7, depth=2), label="document")
    order = Random(data.draw(SEEDS, label="order"))
    run = begun(document, data.draw(st.integers(0, 8), label="progress"), order, failing=10)
    assume(not run.snapshot.is_final)
    # When it is edited by patterns, each applied to what the one before has left
    taken = 0
    for request in requests(order, document, 8):
        made = applied(document, request)
        if made is None or run.snapshot.is_final:
            continue
        before = msgspec.json.encode(run.snapshot)
        try:
            run.edit(compiled(made[1]))
        except EditRefused as refused:
            event(f"{request['pattern']}: {refused.code}")
            assert msgspec.json.encode(run.snapshot) == before
            continue
        taken, document = taken + 1, made[1]
        event(f"{request['pattern']}: taken")
    assume(taken)
    # Then it ends, with nothing left open but dead letters that wait for somebody
    drive(run, order, failing=10)
    assert run.snapshot.is_final or set(run.open.values()) == {"parked"}
