"""What a patch may do under an edit token, decided by its effect on the plan."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pointsman.base.ids import EdgeId
from pointsman.plan import Join, Plan
from pointsman.rights.denials import heading_denials
from pointsman.rights.grant import Limits, Share
from tests.rights.tokens import BASE, a_grant, accounted, codes, extended, limited, only, without
from tests.support.plans import control, edge, looping, plan, task


def changed(old: Plan, node: str, **fields: Any) -> Plan:
    return plan(*(replace(form, **fields) if form.id == node else form for form in old.nodes), *old.edges)


def test_nodes_behind_the_issuing_node_may_be_added() -> None:
    for parts in (
        [task("x"), "plan->x"],
        [task("x"), task("y"), "plan->x->y"],
        [task("x"), "report->x"],
        [task("x"), task("y"), "plan->x->report", "x->y"],
        [control("conditional", "x"), task("y"), "plan->x", edge("x->y", "output.ok")],
        [task("x"), "plan->x", edge("x->report", on="error")],
        ["plan->sink"],
    ):
        assert codes(extended(BASE, *parts)) == [], parts


def test_no_patch_at_all_is_always_allowed() -> None:
    assert codes(BASE, operations=0) == []


def test_only_the_types_of_the_token_may_be_added() -> None:
    added = extended(BASE, task("x", type="agent"), task("y"), "plan->x->y")
    assert codes(added) == [("EDT060", "/nodes/x/type")]


def test_a_type_cannot_be_smuggled_in_by_changing_an_own_node() -> None:
    # Given a node that the token added
    grant, old = a_grant(), extended(BASE, task("x"), "plan->x")
    accounts = accounted(grant, ("", BASE), (grant.by, old))
    # When it is given a type that is not allowed, and one that is
    for kind, found in (("agent", [("EDT060", "/nodes/x/type")]), ("http", [])):
        # Then only the latter passes
        assert codes(changed(old, "x", type=kind), old=old, grant=grant, accounts=accounts) == found


def test_nodes_are_counted_over_all_patches_of_the_token() -> None:
    # Given a token for two nodes, of which it has added both and taken one away again
    grant = a_grant("plan", limited(nodes=2))
    one, two = extended(BASE, task("x"), "plan->x"), extended(BASE, task("x"), task("y"), "plan->x->y")
    accounts = accounted(grant, ("", BASE), (grant.by, one), (grant.by, two), (grant.by, one))
    # When it adds another
    found = codes(extended(one, task("z"), "plan->z"), old=one, grant=grant, accounts=accounts)
    # Then it is one too many
    assert found == [("EDT061", "/nodes")]
    # While edges may still be added
    assert codes(extended(one, "x->report"), old=one, grant=grant, accounts=accounts) == []


def test_operations_are_counted_over_all_patches_of_the_token() -> None:
    grant = a_grant("plan", limited(operations=5))
    old = extended(BASE, task("x"), "plan->x")
    accounts = accounted(grant, ("", BASE), (grant.by, old), operations=3)
    assert codes(extended(old, "x->report"), old=old, grant=grant, accounts=accounts, operations=2) == []
    assert codes(old, old=old, grant=grant, accounts=accounts, operations=3) == [("EDT062", "")]


def test_patches_of_others_are_not_counted() -> None:
    # Given patches by a key, by another task's token, and by one of the same node in another pass
    grant = a_grant("plan", limited(nodes=1, operations=1))
    one, two = extended(BASE, task("x"), "plan->x"), extended(BASE, task("x"), task("y"), "plan->x->y")
    accounts = accounted(grant, ("", BASE), ("ann", one), (a_grant("planner").by, two), (a_grant("other").by, two))
    # Then the token has used nothing, and owns nothing
    assert (accounts[-1].nodes, accounts[-1].edges, accounts[0].spent.nodes, accounts[0].spent.operations) == (
        set(),
        set(),
        0,
        0,
    )
    assert codes(extended(two, task("z"), "plan->z"), old=two, grant=grant, accounts=accounts) == []


def test_every_token_of_one_task_draws_on_the_same_account() -> None:
    # Given a patch by a token of the first attempt
    first, second = a_grant("plan", limited(nodes=1)), a_grant("plan", limited(nodes=1), attempt=2)
    old = extended(BASE, task("x"), "plan->x")
    accounts = accounted(second, ("", BASE), (first.by, old))
    # Then one of the second attempt may take back what that added, and has no node left to add
    assert codes(BASE, old=old, grant=second, accounts=accounts) == []
    assert codes(extended(old, task("y"), "plan->y"), old=old, grant=second, accounts=accounts) == [
        ("EDT061", "/nodes")
    ]


def test_what_a_share_was_narrowed_to_is_counted_for_it_alone() -> None:
    # Given a token for three nodes that was handed on to two others, with one node each
    ours = a_grant("plan", limited(nodes=3))
    one, other = (a_grant("plan", limited(nodes=3), Share(name, Limits(nodes=1))) for name in ("a" * 16, "b" * 16))
    old = extended(BASE, task("x"), "plan->x")
    steps = ("", BASE), (one.by, old)
    more = extended(old, task("y"), "plan->y")
    # When the first has used its node
    found = {
        grant.by: only(codes(more, old=old, grant=grant, accounts=accounted(grant, *steps)))
        for grant in (ours, one, other)
    }
    # Then it has no other, while the second and the task itself have
    assert found == {ours.by: set(), one.by: {"EDT061"}, other.by: set()}
    # But together they have no more than the task
    more_steps = (*steps, (other.by, more), (ours.by, extended(more, task("z"), "plan->z")))
    full = more_steps[-1][1]
    last = extended(full, task("w"), "plan->w")
    assert only(codes(last, old=full, grant=ours, accounts=accounted(ours, *more_steps))) == {"EDT061"}


def test_a_holder_may_not_touch_what_its_giver_added() -> None:
    # Given a node of the task itself, and a token that it handed on
    ours, theirs = a_grant(), a_grant("plan", limited(), Share("a" * 16, Limits()))
    old = extended(BASE, task("x"), "plan->x")
    steps = ("", BASE), (ours.by, old)
    # Then the task may take the node back, and the other may not
    assert codes(BASE, old=old, grant=ours, accounts=accounted(ours, *steps)) == []
    found = codes(BASE, old=old, grant=theirs, accounts=accounted(theirs, *steps))
    assert found == [("EDT066", "/nodes/x"), ("EDT066", "/edges/plan->x")]
    # While the task may change what the other added
    added = extended(old, task("y"), "x->y")
    accounts = accounted(ours, *steps, (theirs.by, added))
    assert codes(without(added, "y"), old=added, grant=ours, accounts=accounts) == []


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([task("x"), "begin->x"], ("EDT063", "/edges/begin->x")),
        ([task("x"), "plan->x", "begin->x"], ("EDT063", "/edges/begin->x")),
        ([task("x"), "plan->x", "other->x"], ("EDT063", "/edges/other->x")),
        ([task("x")], ("EDT063", "/nodes/x")),
        ([task("x"), "x->report"], ("EDT063", "/nodes/x")),
        (["plan->other"], ("EDT064", "/edges/plan->other")),
        ([task("x"), "plan->x->other"], ("EDT064", "/edges/x->other")),
        (["other->report"], ("EDT063", "/edges/other->report")),
    ],
)
def test_only_what_is_behind_the_issuing_node_is_extended(parts: list[Any], found: tuple[str, str]) -> None:
    assert found in codes(extended(BASE, *parts))


@pytest.mark.parametrize("target", ["begin", "plan", "other"])
def test_no_node_that_is_not_behind_can_be_made_to_wait(target: str) -> None:
    # That the compiler would refuse a cycle is no reason not to deny one
    found = codes(extended(BASE, task("x"), "plan->x", f"x->{target}"))
    assert ("EDT064", f"/edges/x->{target}") in found


@pytest.mark.parametrize(
    "parts",
    [
        ["plan->publish"],
        [task("x"), "plan->x->publish"],
        [task("x"), "review->x->publish"],
        [task("x"), task("y"), "report->x->y->publish"],
        [task("x"), "plan->x->reject"],
    ],
)
def test_no_way_leads_around_the_decision_of_another_node(parts: list[Any]) -> None:
    # `publish` runs only if `review` says so: whatever else leads to it could run it without
    assert only(codes(extended(BASE, *parts))) == {"EDT065"}


def test_no_way_leads_around_a_failure_that_the_workflow_handles() -> None:
    # Given a node that runs only where the check before it has not failed
    old = plan(
        *(task(name) for name in ("plan", "check", "publish", "alarm")),
        "plan->check->publish",
        edge("check->alarm", on="error"),
    )
    # Then no other edge may lead into it, but from behind the check
    assert only(codes(extended(old, task("x"), "plan->x->publish"), old=old)) == {"EDT065"}
    assert codes(extended(old, task("x"), "check->x->publish"), old=old) == []


@pytest.mark.parametrize("join", [Join("any"), Join("n", 2)])
def test_no_edge_leads_into_a_join_that_does_not_wait_for_all(join: Join) -> None:
    old = plan(task("plan"), task("a"), task("b"), task("end", join=join), "plan->a->end", "plan->b->end")
    assert only(codes(extended(old, task("x"), "plan->x->end"), old=old)) == {"EDT065"}


def test_an_edge_that_was_no_way_around_cannot_be_made_one() -> None:
    # Given a node of the token's that leads into one that always runs
    grant = a_grant()
    old = plan(*(task(name) for name in ("plan", "report", "alarm")), "plan->report", edge("plan->alarm", on="error"))
    added = extended(old, task("x"), "plan->x->report")
    accounts = accounted(grant, ("", old), (grant.by, added))
    assert codes(added, old=old) == []
    # When it is hung behind the handler of a failure instead, in whose case `report` would not run
    moved = extended(without(added, "plan->x"), "alarm->x")
    # Then that is denied, although the edge into `report` is as it was
    assert codes(moved, old=added, grant=grant, accounts=accounts) == [("EDT065", "/edges/x->report")]


@pytest.mark.parametrize(
    ("new", "found"),
    [
        (without(BASE, "review"), {"EDT066"}),
        (without(BASE, "plan->review"), {"EDT066"}),
        (without(BASE, "plan"), {"EDT066"}),
        (changed(BASE, "report", config={"to": "me"}), {"EDT066"}),
        (changed(BASE, "report", type="agent"), {"EDT060", "EDT066"}),
        (changed(BASE, "plan", timeout_ms=1), {"EDT066"}),
        (plan(*reversed(BASE.nodes), *BASE.edges), {"EDT066"}),
        (plan(*BASE.nodes, *reversed(BASE.edges)), {"EDT066"}),
        (replace(BASE, failure_policy="continue"), {"EDT066"}),
        (replace(BASE, output="1"), {"EDT066"}),
        (replace(BASE, metadata={"a": 1}), {"EDT066"}),
    ],
)
def test_what_others_have_made_stays_as_it_is(new: Plan, found: set[str]) -> None:
    assert only(codes(new)) == found


def test_an_edge_of_others_cannot_be_led_elsewhere() -> None:
    # Given an edge that keeps its id, and gets another target
    ways = [edge("review->publish", name=way.id) if way.id == "review->reject" else way for way in BASE.edges]
    assert ("EDT066", "/edges/review->reject") in codes(plan(*BASE.nodes, *ways))


def test_what_the_token_added_may_be_changed_and_removed() -> None:
    grant, old = a_grant(), extended(BASE, task("x"), task("y"), "plan->x->y")
    accounts = accounted(grant, ("", BASE), (grant.by, old))
    for new in (BASE, without(old, "y"), without(old, "x->y", "y"), changed(old, "y", config=1)):
        assert codes(new, old=old, grant=grant, accounts=accounts) == []
    # But no node of it may be cut off, since it would begin at once
    assert codes(without(old, "x->y"), old=old, grant=grant, accounts=accounts) == [("EDT063", "/nodes/y")]


def test_what_others_have_changed_since_is_the_tokens_no_more() -> None:
    # Given a node that the token added and somebody else changed, and one that somebody took away and brought back
    grant, added = a_grant(), extended(BASE, task("x"), task("y"), "plan->x->y")
    altered = changed(added, "x", config={"careful": True})
    accounts = accounted(
        grant, ("", BASE), (grant.by, added), ("ann", altered), ("ann", without(altered, "y")), ("ann", altered)
    )
    # Then the token can change neither
    assert accounts[-1].nodes == set()
    found = codes(changed(altered, "x", config=None), old=altered, grant=grant, accounts=accounts)
    assert found == [("EDT066", "/nodes/x")]
    assert ("EDT066", "/nodes/y") in codes(without(altered, "y"), old=altered, grant=grant, accounts=accounts)


def test_no_token_adds_a_loop() -> None:
    again = looping(task("x"), "x", "true")
    assert codes(extended(BASE, again, "plan->x")) == [("EDT067", "/nodes/x"), ("EDT067", "/nodes")]
    passes = control("loop", "x")
    assert ("EDT067", "/nodes/x") in codes(
        extended(BASE, passes, "plan->x"), grant=a_grant("plan", limited(types=frozenset({"loop"})))
    )


def test_a_body_of_a_loop_is_extended_by_own_nodes_alone() -> None:
    # Given a loop whose body has the issuing node in it
    old = plan(task("plan"), looping(task("judge"), "plan", "true"), task("end"), "plan->judge->end")
    # Then a node may be added inside it, and what is outside stays outside
    assert codes(extended(old, task("x"), "plan->x->judge"), old=old) == []
    inside = extended(old, "plan->end", "end->judge")
    assert "EDT067" in only(codes(inside, old=old))


def test_no_edge_changes_how_a_node_of_others_goes_on() -> None:
    for parts, found in (
        ([task("x"), edge("report->x", "true")], {"EDT068"}),
        ([task("x"), edge("plan->x", "true")], {"EDT068"}),
        ([task("x"), edge("plan->x", on="error")], {"EDT068"}),
        ([task("x"), edge("sink->x", on="timeout")], {"EDT068"}),
        ([task("x"), edge("sink->x", "true")], {"EDT068"}),
        ([task("x"), "review->x"], set()),
    ):
        assert only(codes(extended(BASE, *parts))) == found, parts


def test_conditions_without_a_default_get_none_from_a_token() -> None:
    # Given a node that fails if its only condition cannot be evaluated
    old = plan(task("plan"), task("a"), edge("plan->a", "output.ok"))
    # Then no edge may turn that failure into another way on
    assert only(codes(extended(old, task("x"), "plan->x"), old=old)) == {"EDT068"}


def test_the_end_of_an_exhausted_loop_is_not_handled_by_a_token() -> None:
    old = plan(task("plan"), looping(task("judge"), "plan", "true"), "plan->judge")
    added = extended(old, task("x"), edge("judge->x", leave="timeout"))
    assert only(codes(added, old=old)) == {"EDT068"}
    assert codes(extended(old, task("x"), "judge->x"), old=old) == []


def test_an_issuing_node_without_edges_may_be_given_conditions() -> None:
    old = plan(task("begin"), task("plan"), "begin->plan")
    added = extended(old, task("x"), task("y"), edge("plan->x", "output.more"), "plan->y")
    assert codes(added, old=old) == []


def test_everything_that_is_wrong_is_told_at_once() -> None:
    new = extended(without(BASE, "reject"), task("x", type="agent"), "begin->x->other")
    assert only(codes(new, grant=a_grant("plan", limited(nodes=0, operations=0)))) == {
        "EDT060",
        "EDT061",
        "EDT062",
        "EDT063",
        "EDT064",
        "EDT066",
    }


def test_what_a_definition_says_beside_its_graph_stays() -> None:
    old = {"name": "a", "version": 1, "nodes": [1], "edges": []}
    assert heading_denials(old, {**old, "nodes": [], "edges": [2]}) == []
    found = heading_denials(old, {"name": "b", "nodes": [1], "edges": [], "metadata": {}})
    assert [(problem.code, problem.pointer) for problem in found] == [
        ("EDT066", "/metadata"),
        ("EDT066", "/name"),
        ("EDT066", "/version"),
    ]


def test_edges_by_ids_of_their_own_are_known_again() -> None:
    # Given an edge of the token's with an id of its own
    grant, old = a_grant(), extended(BASE, task("x"), edge("plan->x", name="mine"))
    accounts = accounted(grant, ("", BASE), (grant.by, old))
    assert accounts[-1].edges == {EdgeId("mine")}
    # Then it may be led to another node of the token's, but not to one of others
    onwards = extended(without(old, "mine"), task("y"), edge("plan->y", name="mine"), "y->x")
    assert codes(onwards, old=old, grant=grant, accounts=accounts) == []
    astray = extended(without(old, "mine"), edge("plan->publish", name="mine"), edge("plan->x"))
    assert codes(astray, old=old, grant=grant, accounts=accounts) == [("EDT065", "/edges/mine")]
