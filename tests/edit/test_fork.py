"""Forks, one by one: what the properties found, pinned."""

from __future__ import annotations

from pointsman.protocol.signal import Redrive
from tests.support.driven import RUN, token
from tests.support.edited import EditedRun
from tests.support.forked import forked, stand
from tests.support.plans import control, looping, plan, task


def test_a_pass_that_ended_leaves_nothing_of_the_passes_inside_it() -> None:
    # Given a loop in a loop that begins with the same node, which no worker executes, in the outer one's second pass
    inner = looping(task("n2"), "n1", "output.x > 9", 2)
    outer = looping(task("n3"), "n1", "output.x < 9", 3)
    made_of = plan(task("n0"), control("parallel", "n1"), inner, outer, "n0->n1->n2->n3")
    run = EditedRun(made_of)
    for name in ("n0", "n3[1]/n2[1]:n2", "n3[1]:n3"):
        run.complete(name, {"x": 1})
    # When it is forked there
    fork = forked(run)
    # Then the fork stands where the run stands
    assert stand(fork) == stand(run)


def test_what_waits_as_a_dead_letter_where_a_run_is_forked_is_one_of_the_fork_too() -> None:
    # Given a run with a node that failed for good, and is parked
    run = EditedRun(plan(task("n0"), task("n1", failure_policy="park"), "n0->n1"))
    run.complete("n0", 1)
    parked = run.fail("n1", retryable=False)
    # When it is forked there
    fork = forked(run)
    # Then the fork's journal says so from the beginning, and the node can be redriven there
    assert fork.open == {"n1": "parked"}
    assert fork.first.dead == parked.dead != ()
    assert fork.take(Redrive(RUN, token("n1"), 1)).unparked == (token("n1"),)
