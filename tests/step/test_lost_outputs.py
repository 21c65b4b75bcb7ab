"""Outputs that are in the blob store no more: whoever reads one fails, and nothing is taken for false."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.plan import Edge, Node
from tests.support.driven import Run
from tests.support.plans import edge, looping, plan, task

GONE = "blob://gone"


def run_of(*parts: Node | Edge | str, **fields: Any) -> Run:
    """A run whose first node has left an output that is gone since."""
    run = Run(plan(*parts, **fields))
    run.snapshot.lost.add(GONE)
    run.complete("a", ref=GONE)
    return run


def test_a_config_that_reads_a_lost_output_fails_its_node() -> None:
    run = run_of(task("a"), task("b", config={"n": "${ctx.a.output.n}"}), "a->b", failure_policy="park")
    assert run.open == {"b": "parked"}
    error = run.snapshot.tokens[next(iter(run.snapshot.tokens))].error
    assert error is not None
    assert (error.type, error.message.startswith("SRV031 an output that is to be read, blob://gone")) == (
        "template_error",
        True,
    )


@pytest.mark.parametrize("default", [[], [edge("a->c", name="rest")]])
def test_a_condition_that_reads_a_lost_output_is_not_taken_for_false(default: list[Edge]) -> None:
    # Given a condition, with a default edge beside it or without
    run = run_of(task("a"), task("b"), task("c"), edge("a->b", "output.n > 1"), "b->c", *default)
    # Then its node has failed, and no edge was chosen
    assert (run.status, run.error, run.ended.get("c")) == ("FAILED", "condition_error", None)


def test_a_loop_whose_condition_reads_a_lost_output_fails() -> None:
    run = Run(plan(looping(task("a"), "a", "output.n > 1", 3), task("b"), "a->b"))
    run.snapshot.lost.add(GONE)
    run.complete("a[1]:a", ref=GONE)
    assert (run.status, run.error) == ("FAILED", "condition_error")


def test_a_run_whose_own_output_is_lost_fails() -> None:
    run = run_of(task("a"), output="ctx.a.output.n")
    assert (run.status, run.error) == ("FAILED", "output_error")
