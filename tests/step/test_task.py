"""What a worker is handed, and what its answer does: SEMANTICS §5, ARCHITECTURE §6."""

from __future__ import annotations

import pytest

from pointsman.base.ids import JobId, Millis, NodeId
from pointsman.protocol.output import NOTHING
from pointsman.protocol.task import Task
from tests.support.driven import RUN, START, Run, token
from tests.support.plans import edge, plan, task


def test_a_worker_is_handed_everything_the_wire_contract_names() -> None:
    # Given a node with config, context, limits and metadata behind another
    node = task(
        "b",
        config={"to": "${ctx.a.output.mail}", "note": "for ${input.name}", "key": "secret://mail", "n": 3},
        context=("a", "never"),
        timeout_ms=5_000,
        deadline_ms=3_000,
        metadata={"team": "x"},
    )
    run = Run(plan(task("a"), node, "a->b"), {"name": "Ann"})
    # When it is dispatched
    run.now += 7
    run.complete("a", {"mail": "ann@example.org"})
    # Then templates are resolved, secrets are not, and the nearest limit is the deadline
    assert run.task("b") == Task(
        id=token("b"),
        job_id=JobId("run_1::b:1"),
        run_id=RUN,
        node_id=node.id,
        to_node=node.id,
        type="function",
        attempt=1,
        hop=2,
        created_at=Millis(START + 7),
        from_node=NodeId("a"),
        payload=run.result("a").output.data,
        config={"to": "ann@example.org", "note": "for Ann", "key": "secret://mail", "n": 3},
        context={NodeId("a"): {"output": {"mail": "ann@example.org"}}},
        deadline=Millis(START + 3_007),
        metadata={"team": "x"},
    )


def test_a_start_node_is_handed_the_input_of_the_run() -> None:
    # Given a run with an input
    run = Run(plan(task("a")), {"name": "Ann"})
    # Then the first task's payload is that, and it comes from no node
    assert (run.payload("a"), run.task("a").from_node) == ({"name": "Ann"}, None)


def test_an_output_in_the_blob_store_is_handed_on_as_its_reference() -> None:
    # Given a node whose output is a blob
    run = Run(plan(task("a"), task("b", context=("a",)), "a->b"))
    # When the next is dispatched
    run.complete("a", ref="blob://1")
    # Then its payload and its context refer to the blob, which was not loaded
    assert (run.task("b").payload, run.task("b").payload_ref) == (NOTHING, "blob://1")
    assert run.task("b").context == {"a": {"output": {"$ref": "blob://1"}}}


def test_outputs_that_meet_in_a_join_stand_as_references_where_they_are_blobs() -> None:
    # Given a join of two
    run = Run(plan(task("a"), task("b"), task("j"), "a->j", "b->j"))
    # When one output is a blob and one is not
    run.complete("a", ref="blob://1")
    run.complete("b", 2)
    # Then the object has both
    assert run.payload("j") == {"a": {"$ref": "blob://1"}, "b": 2}


@pytest.mark.parametrize(
    "config", ["${ctx.a.output.missing}", {"to": ["mail: ${ctx.a.output.missing}"]}, "${nonsense("]
)
def test_a_template_that_cannot_be_resolved_fails_the_node(config: object) -> None:
    # Given a config that reads what is not there
    run = Run(plan(task("a"), task("b", config=config), "a->b"))
    # When the node is to be dispatched
    change = run.complete("a", {})
    # Then it fails; no worker sees the literal text
    assert (change.dispatches, run.status) == ((), "FAILED")
    assert run.error_of("b") == "template_error"


def test_a_template_error_can_be_taken_by_an_error_edge() -> None:
    # Given a node whose config cannot be resolved, with an error edge
    run = Run(plan(task("a", config="${input.missing}"), task("b"), edge("a->b", on="error")), {})
    # Then that was taken when the run started
    assert (run.open, run.ended) == ({"b": "dispatched"}, {"a": "failed"})


def test_a_dollar_that_is_no_template_reaches_the_worker_unescaped() -> None:
    # Given a config with an escaped template in it and nothing else
    run = Run(plan(task("a", config={"text": "$${x}"})))
    # Then the worker gets what the author meant
    assert run.task("a").config == {"text": "${x}"}


def test_each_result_dispatches_the_next_of_a_chain() -> None:
    # Given a chain
    run = Run(plan(task("a"), task("b"), task("c"), "a->b->c"))
    seen = []
    # When each ends
    for name in "abc":
        seen.append(dict(run.open))
        run.complete(name, name.upper())
    # Then one after the other was out, and the run is done
    assert seen == [{"a": "dispatched"}, {"b": "dispatched"}, {"c": "dispatched"}]
    assert (run.status, run.output) == ("COMPLETED", {"c": "C"})


def test_the_next_is_told_of_one_that_failed_by_its_error() -> None:
    # Given a node with an error edge
    run = Run(plan(task("a"), task("b"), edge("a->b", on="error")))
    # When it fails
    run.fail("a", "http_500", "upstream is down")
    # Then that is what the node behind is handed
    assert run.payload("b") == {"error": {"type": "http_500", "message": "upstream is down"}}
