"""Forks, one by one: what the properties found, pinned."""

from __future__ import annotations

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
