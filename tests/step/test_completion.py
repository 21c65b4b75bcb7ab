"""Completion and what a run's output is: SEMANTICS §2, §5."""

from __future__ import annotations

import pytest

from tests.support.driven import START, Run
from tests.support.plans import control, edge, plan, task


def test_a_run_is_done_in_the_transition_that_closes_its_last_token() -> None:
    # Given two tasks out, one with another behind
    run = Run(plan(task("a"), task("b"), task("c"), "b->c"))
    seen = []
    # When they end
    for name in "abc":
        run.now += 1
        change = run.complete(name)
        seen.append((change.status, len(run.open)))
    # Then only the last one ended the run
    assert seen == [(None, 1), (None, 1), ("COMPLETED", 0)]
    assert run.snapshot.head.ended_at == START + 3


def test_the_output_is_a_map_of_the_end_nodes_that_completed() -> None:
    # Given a run with several ends, of which one is skipped
    run = Run(plan(task("a"), task("b"), task("c"), task("d"), edge("a->b", "false"), edge("a->c", "true"), "a->d"))
    # When it is done
    run.complete("a")
    run.complete("c", {"n": 1})
    # Then its output is that of the others
    assert run.output == {"c": {"n": 1}}


def test_the_output_can_be_an_expression() -> None:
    # Given a plan that says what its output is
    run = Run(plan(task("a"), task("b"), "a->b", output="{'sum': ctx.a.output + ctx.b.output, 'of': input}"), [1, 2])
    # When the run is done
    run.complete("a", 1)
    run.complete("b", 2)
    # Then it is that
    assert run.output == {"sum": 3, "of": [1, 2]}


def test_an_output_that_cannot_be_made_fails_the_run() -> None:
    # Given an output that reads what is not there
    run = Run(plan(task("a"), output="ctx.a.output.missing"))
    # When the run would be done
    run.complete("a", {})
    # Then it has failed, with an error of its own, and is final
    assert (run.status, run.error, run.output) == ("FAILED", "output_error", None)


def test_ends_in_the_blob_store_stand_as_references_in_the_output() -> None:
    # Given a run that ends in a join of two, of which one is a blob
    run = Run(plan(task("a"), task("b"), control("join", "j"), "a->j", "b->j"))
    # When it is done
    run.complete("a", ref="blob://1")
    run.complete("b", 2)
    # Then its output refers to it
    assert run.output == {"j": {"a": {"$ref": "blob://1"}, "b": 2}}


@pytest.mark.parametrize("value", [None, 0, "", [], {}, False, [[]], {"a": []}])
def test_outputs_are_kept_exactly_as_they_came(value: object) -> None:
    # Given a task with nothing behind it
    run = Run(plan(task("a")))
    # When it ends with an output that careless code takes for none
    run.complete("a", value)
    # Then the run has that output
    assert run.output == {"a": value}
