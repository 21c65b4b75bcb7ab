"""When a node with several in-edges fires: SEMANTICS §3.2, §3.3."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from pointsman.plan import Join, Node
from pointsman.step.join import decide
from pointsman.step.program import Site
from tests.support.driven import Run, token
from tests.support.plans import control, edge, plan, task

FORKED = ("s->a", "s->b", "s->c")
BOTH = [task("j"), control("join", "j")]
ORDERS = list(permutations("abc"))


def three(join: Join, *, policy: str = "continue") -> Run:
    """`s`, then `a`, `b`, `c`, then the join `j`, then `z`; `s` is over. Each branch is live if its output is true."""
    ways = [edge(f"{name}->j", "output") for name in "abc"]
    nodes = [task(name) for name in "sabcz"]
    run = Run(plan(*nodes, task("j", join=join), *FORKED, *ways, "j->z", failure_policy=policy))
    run.complete("s")
    return run


def end(run: Run, name: str, how: str) -> None:
    """End a branch so that its edge to the join resolves live, dead or failed."""
    if how == "failed":
        run.fail(name)
    else:
        run.complete(name, how == "live")


@pytest.mark.parametrize("order", ORDERS)
def test_all_waits_until_every_in_edge_has_resolved(order: tuple[str, ...]) -> None:
    # Given a join of three
    run = three(Join("all"))
    # When they end, in any order, one of them by an edge that is dead
    for name in order[:2]:
        end(run, name, "dead" if name == "b" else "live")
        assert "j" not in run.open
    end(run, order[2], "dead" if order[2] == "b" else "live")
    # Then the last one fires it, by the two that are live, in written order
    assert run.open == {"j": "dispatched"}
    assert run.sources("j") == ("a->j", "c->j")


@pytest.mark.parametrize("order", ORDERS)
def test_all_is_skipped_when_every_in_edge_is_dead(order: tuple[str, ...]) -> None:
    # Given a join of three
    run = three(Join("all"))
    # When all resolve dead
    for name in order:
        end(run, name, "dead")
    # Then it and what is behind it are skipped
    assert run.ended == {"s": "completed"} | dict.fromkeys("abc", "completed") | {"j": "skipped", "z": "skipped"}
    assert run.result("j").reason == "no_live_edge"
    assert run.status == "COMPLETED"


@pytest.mark.parametrize("order", ORDERS)
def test_all_is_skipped_as_upstream_failed_though_others_are_live(order: tuple[str, ...]) -> None:
    # Given a join of three
    run = three(Join("all"))
    # When one branch fails and nothing handles it
    for name in order:
        end(run, name, "failed" if name == "b" else "live")
    # Then the join is skipped, and says why; so does what is behind it
    assert (run.result("j").status, run.result("j").reason) == ("skipped", "upstream_failed")
    assert (run.result("z").status, run.result("z").reason) == ("skipped", "upstream_failed")
    assert run.status == "FAILED"


def test_any_fires_at_the_first_live_edge_and_absorbs_later_ones() -> None:
    # Given a join that one branch is enough for
    run = three(Join("any"))
    # When a dead, then a live edge resolves
    end(run, "a", "dead")
    assert "j" not in run.open
    end(run, "b", "live")
    # Then it fires by that edge
    assert run.open == {"c": "dispatched", "j": "dispatched"}
    assert run.sources("j") == ("b->j",)
    # And a later one changes nothing about it
    end(run, "c", "live")
    assert run.open == {"j": "dispatched"}
    assert run.held.dispatched.count((token("j"), 1)) == 1


def test_any_absorbs_what_comes_after_it_has_ended() -> None:
    # Given a join that fired and ended while a branch is still running
    run = three(Join("any"))
    end(run, "a", "live")
    run.complete("j")
    run.complete("z")
    # When the others end, one of them well and one not
    end(run, "b", "live")
    assert run.status == "RUNNING"
    end(run, "c", "dead")
    # Then the join is not activated again, and the run is done only now
    assert run.ended == dict.fromkeys("sabcjz", "completed")
    assert run.status == "COMPLETED"


@pytest.mark.parametrize("order", ORDERS)
def test_any_is_skipped_when_none_can_come(order: tuple[str, ...]) -> None:
    # Given a join that one branch is enough for
    run = three(Join("any"))
    # When none is live, and one has failed
    for name in order:
        end(run, name, "failed" if name == "a" else "dead")
    # Then it is skipped as the failure's consequence, whatever the order
    assert run.result("j").reason == "upstream_failed"
    assert run.status == "FAILED"


def test_n_fires_at_the_nth_live_edge() -> None:
    # Given a join that two of three are enough for
    run = three(Join("n", 2))
    # When two are live
    end(run, "c", "live")
    assert "j" not in run.open
    end(run, "a", "live")
    # Then it fires by these two, in written order, and the third is absorbed
    assert run.sources("j") == ("a->j", "c->j")
    end(run, "b", "live")
    assert run.open == {"j": "dispatched"}


def test_n_is_skipped_as_soon_as_it_cannot_be_reached() -> None:
    # Given a join that two of three are enough for
    run = three(Join("n", 2))
    # When two are dead
    end(run, "a", "dead")
    end(run, "b", "dead")
    # Then it is skipped though the third has not ended
    assert run.open == {"c": "dispatched"}
    assert run.result("j").reason == "no_live_edge"
    # And the third changes nothing about that
    end(run, "c", "failed")
    assert run.result("j").reason == "no_live_edge"


@pytest.mark.parametrize(
    ("join", "resolved", "decision"),
    [
        (Join("all"), "ll", None),
        (Join("all"), "fl", None),
        (Join("all"), "ldd", "fire"),
        (Join("all"), "ddd", "skip"),
        (Join("all"), "lfl", "fail"),
        (Join("any"), "dd", None),
        (Join("any"), "l", "fire"),
        (Join("any"), "fl", "fire"),
        (Join("any"), "ddd", "skip"),
        (Join("any"), "dfd", "fail"),
        (Join("n", 2), "ld", None),
        (Join("n", 2), "ldl", "fire"),
        (Join("n", 2), "dd", "skip"),
        (Join("n", 2), "ldd", "skip"),
        (Join("n", 2), "fd", "fail"),
        (Join("n", 3), "f", "fail"),
    ],
)
def test_the_decision_follows_from_what_has_resolved(join: Join, resolved: str, decision: str | None) -> None:
    # Given a join of three in-edges, some of which have resolved
    site = Site(control("join", "j", join=join), tuple(edge(f"{name}->j") for name in "abc"), (), None)
    words: Any = {"l": "live", "d": "dead", "f": "failed"}
    # Then this is what it does
    assert decide(site, [words[letter] for letter in resolved]) == decision


def test_a_worker_behind_a_join_is_handed_an_object_of_outputs() -> None:
    # Given a join of three, one of them dead
    run = three(Join("all"))
    # When it fires
    run.complete("a", True)
    run.complete("b", False)
    run.complete("c", True)
    # Then its payload names the live ones by node
    assert run.payload("j") == {"a": True, "c": True}


def test_a_join_that_one_edge_fired_hands_on_that_output_alone() -> None:
    # Given a join of three, two of them dead
    run = three(Join("all"))
    # When it fires
    run.complete("a", False)
    run.complete("b", True)
    run.complete("c", False)
    # Then its payload is the output of the live one
    assert run.payload("j") is True


@pytest.mark.parametrize("join", BOTH)
def test_a_control_join_hands_on_the_same_as_a_task_is_handed(join: Node) -> None:
    # Given a fork and a join, as a control node or not, and a task behind
    run = Run(plan(task("a"), task("b"), join, task("z"), "a->j", "b->j", "j->z"))
    # When both ends are in
    run.complete("a", 1)
    run.complete("b", 2)
    # Then what is handed on is an object of both
    handed = run.payload("j") if join.kind == "task" else run.payload("z")
    assert handed == {"a": 1, "b": 2}


def test_two_edges_between_the_same_nodes_resolve_each_for_itself() -> None:
    # Given two edges from `a` to `j`, one for success and one for an error
    ways = (edge("a->j", name="well"), edge("a->j", on="error", name="badly"))
    for how, fired_by in (("completed", ("well",)), ("failed", ("badly",))):
        run = Run(plan(task("a"), task("j"), *ways))
        # When `a` ends either way
        run.complete("a") if how == "completed" else run.fail("a")
        # Then `j` fires once, by the edge for it
        assert run.sources("j") == fired_by
