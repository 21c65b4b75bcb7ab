"""What expressions and workers get to read: SEMANTICS §5."""

from __future__ import annotations

import pytest

from pointsman.step import OutputsNeeded
from tests.support.driven import Run
from tests.support.plans import control, edge, looping, plan, task


def test_a_blob_is_asked_for_only_when_an_expression_reads_it() -> None:
    # Given a condition on the output of `a`, and one on that of `b`
    ways = ("a->b", edge("b->c", "ctx.a.output.n == 1"))
    run = Run(plan(task("a"), task("b"), task("c"), *ways))
    # When `a` ends with a blob, nothing reads it
    run.complete("a", ref="blob://1")
    # When `b` ends
    with pytest.raises(OutputsNeeded) as asked:
        run.complete("b")
    # Then the step asks for it, and goes on when it is there
    assert asked.value.refs == {"blob://1"}
    run.snapshot.blobs["blob://1"] = b'{"n": 1}'
    run.complete("b")
    assert run.open == {"c": "dispatched"}


def test_a_reference_of_the_workers_own_stands_for_its_output() -> None:
    # Given a worker that reports a reference of its own
    run = Run(plan(task("a"), task("b", config="${ctx.a.output}"), "a->b"))
    # When an expression reads it
    run.complete("a", ref="artifact://1")
    # Then it sees the reference; nothing is fetched
    assert (run.task("b").config, run.task("b").payload_ref) == ({"$ref": "artifact://1"}, "artifact://1")


def test_a_node_that_did_not_complete_has_no_output() -> None:
    # Given a node that failed and was taken by an error edge, and a condition that reads it
    ways = (edge("a->b", on="error"), edge("b->c", "has(ctx.a.output)"), "b->d")
    run = Run(plan(task("a"), task("b", context=("a",)), task("c"), task("d"), *ways))
    # When it is read
    run.fail("a")
    assert run.task("b").context == {}
    run.complete("b")
    # Then there is nothing
    assert run.open == {"d": "dispatched"}


def test_outputs_are_looked_up_from_the_frame_outwards() -> None:
    # Given a node outside, one in the outer and one in the inner loop, and a reader of all three
    reader = task("r", config="${[ctx.s.output, ctx.m.output, ctx.n.output]}")
    inner, outer = looping(task("i"), "n", "output"), looping(task("o"), "m", "output")
    run = Run(plan(task("s"), task("m"), task("n"), reader, inner, outer, "s->m->n->r->i->o"))
    # When the inner loop is in its second pass, and the outer one too
    run.complete("s", "s")
    run.complete("o[1]:m", "m1")
    run.complete("o[1]/i[1]:n", "n1")
    run.complete("o[1]/i[1]:r")
    run.complete("o[1]/i[1]:i", False)
    run.complete("o[1]:o", True)
    run.complete("o[2]:m", "m2")
    run.complete("o[2]/i[1]:n", "n2")
    run.complete("o[2]/i[1]:r")
    run.complete("o[2]/i[1]:i", True)
    run.complete("o[2]/i[2]:n", "n3")
    # Then it reads the latest of each
    assert run.task("o[2]/i[2]:r").config == ["s", "m2", "n3"]


def test_a_control_node_stands_for_what_it_hands_on() -> None:
    # Given a join of control nodes, and readers of it
    nodes = [task("a"), task("b"), control("parallel", "p"), control("parallel", "q"), control("join", "j")]
    ways = ("a->p->j", "b->q->j", edge("j->z", "ctx.j.output.p + ctx.j.output.q == 3 && output.p == 1"))
    run = Run(plan(*nodes, task("z", context=("j",), config="${ctx.j.output}"), *ways))
    # When it is read by a condition, a template, the payload and the context
    run.complete("a", 1)
    run.complete("b", 2)
    # Then all see the same
    assert run.task("z").config == {"p": 1, "q": 2}
    assert run.payload("z") == {"p": 1, "q": 2}
    assert run.task("z").context == {"j": {"output": {"p": 1, "q": 2}}}


@pytest.mark.parametrize("body", [b"1e999", b"\xff", b"[" * 5_000 + b"]" * 5_000, b"9" * 5_000])
def test_an_output_that_cannot_be_read_fails_who_reads_it_and_nobody_else(body: bytes) -> None:
    # Given an output that is JSON for nobody, and a node that reads it
    run = Run(plan(task("a"), task("b", config="${ctx.a.output.n}"), "a->b"), blobs={"blob://1": body})
    # When it is to be dispatched
    run.complete("a", ref="blob://1")
    # Then it has failed; the step has not raised
    assert (run.error_of("b"), run.status) == ("template_error", "FAILED")
