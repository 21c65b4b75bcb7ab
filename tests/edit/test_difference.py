"""The difference of two plans: everything a run could tell, and nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pointsman.base.ids import EdgeId, NodeId
from pointsman.edit.difference import Change, Difference, EdgeChange, NodeChange, Reordering, difference
from pointsman.plan import Edge, Guards, Plan, Retry, decode_plan, encode_plan
from tests.support.definitions import definitions
from tests.support.driven import cel
from tests.support.plans import control, edge, plan, task
from tests.support.random_edits import compiled, compiling

BASE = (task("a"), task("b"), control("conditional", "c"), "a->b", "b->c")


def test_equal_plans_have_no_difference() -> None:
    assert difference(plan(*BASE), plan(*BASE)) == Difference()
    assert difference(plan(*BASE), plan(*BASE)).is_empty


def test_a_plan_that_was_stored_does_not_differ_from_the_one_just_compiled() -> None:
    made = compiled({"name": "n", "nodes": [{"id": "a", "type": "t"}, {"id": "b", "type": "t"}], "edges": []})
    assert difference(decode_plan(encode_plan(made)), made).is_empty


def test_nodes_and_edges_that_come_and_go_are_told_whole() -> None:
    # Given a node that is taken out, and another that is put in its place
    found = difference(plan(*BASE), plan(task("a"), task("n"), control("conditional", "c"), "a->n", "n->c"))
    assert found == Difference(
        nodes_added=(task("n"),),
        nodes_removed=(task("b"),),
        edges_added=(edge("a->n"), edge("n->c")),
        edges_removed=(edge("a->b"), edge("b->c")),
    )


def test_a_node_that_stays_is_told_field_by_field() -> None:
    before = task("b", config={"to": "x", "deep": {"one": [1, 2], "two": 2}}, retry=Retry(max_attempts=2))
    after = task("b", config={"to": "y", "deep": {"one": [1, 2, 3], "two": 2}, "cc": None}, timeout_ms=5)
    found = difference(plan(task("a"), before, "a->b"), plan(task("a"), after, "a->b"))
    assert found == Difference(
        nodes_changed=(
            NodeChange(
                NodeId("b"),
                (
                    Change("/config/to", "x", "y"),
                    Change("/config/deep/one", [1, 2], [1, 2, 3]),
                    Change("/config/cc", after=None),
                    Change("/retry/max_attempts", 2, 1),
                    Change("/timeout_ms", None, 5),
                ),
            ),
        )
    )


def test_a_number_and_a_truth_value_are_not_the_same() -> None:
    found = difference(plan(task("a", config={"x": 1})), plan(task("a", config={"x": True})))
    assert [change for node in found.nodes_changed for change in node.changes] == [Change("/config/x", 1, True)]


def test_an_edge_that_keeps_its_id_is_told_field_by_field() -> None:
    found = difference(
        plan(*BASE, edge("a->c", "output.x > 1", name="way")), plan(*BASE, edge("a->b", on="error", name="way"))
    )
    changes = (Change("/to", "c", "b"), Change("/when", "output.x > 1", None), Change("/on", "success", "error"))
    assert found == Difference(edges_changed=(EdgeChange(EdgeId("way"), changes),))


def test_branches_tried_in_another_order_are_told_and_no_other_order_is() -> None:
    one, two, other = edge("a->b", "output.x > 1"), edge("a->c", "output.x > 2"), edge("b->c")
    nodes = task("a"), task("b"), task("c")
    assert difference(plan(*nodes, one, two, other), plan(*nodes[::-1], two, other, one)) == Difference(
        edges_reordered=(Reordering(NodeId("a"), (one.id, two.id), (two.id, one.id)),)
    )
    assert difference(plan(*nodes, one, two, other), plan(*nodes[::-1], other, one, two)).is_empty


def test_what_concerns_the_whole_plan_is_told_too() -> None:
    before = plan(task("a"), output="ctx.a.output", guards=Guards(max_nodes=5), metadata={"owner": "x"})
    after = plan(task("a"), failure_policy="continue", guards=Guards(max_nodes=6), metadata={"owner": "y"})
    assert difference(before, after).plan_changed == (
        Change("/output", "ctx.a.output", None),
        Change("/failure_policy", "fail_fast", "continue"),
        Change("/guards/max_nodes", 5, 6),
        Change("/metadata/owner", "x", "y"),
    )


def test_a_value_that_is_missing_and_null_are_told_apart_in_json() -> None:
    found = difference(plan(task("a", config={"x": 1})), plan(task("a", config={"y": None})))
    assert msgspec.json.decode(msgspec.json.encode(found)) == {
        "nodes_changed": [
            {"id": "a", "changes": [{"pointer": "/config/x", "before": 1}, {"pointer": "/config/y", "after": None}]}
        ]
    }


def applied(before: Plan, found: Difference) -> tuple[dict[str, Any], dict[str, Any]]:
    """The nodes and edges of a plan after a difference."""
    nodes: dict[str, Any] = {node.id: node for node in before.nodes}
    edges: dict[str, Any] = {one.id: one for one in before.edges}
    for part, gone in ((nodes, found.nodes_removed), (edges, found.edges_removed)):
        for item in gone:
            del part[item.id]
    nodes |= {node.id: node for node in found.nodes_added}
    edges |= {one.id: one for one in found.edges_added}
    return nodes, edges


def top(change: Change) -> str:
    return change.pointer.split("/")[1]


@settings(deadline=None)
@given(definitions(cel(), nodes=7), st.integers(0, 2**32))
def test_a_difference_leads_from_one_plan_to_the_other(document: dict[str, Any], seed: int) -> None:
    before = compiled(document)
    for after in compiling(Random(seed), document):
        # Given any two plans, of which one is an edit of the other
        found, back = difference(before, after), difference(after, before)
        # Then what comes one way goes the other
        assert (found.nodes_added, found.edges_added) == (back.nodes_removed, back.edges_removed)
        # And the first with the difference is the second, up to the fields that are told as changed
        nodes, edges = applied(before, found)
        for change in found.nodes_changed:
            fields = {top(inner) for inner in change.changes}
            new = next(node for node in after.nodes if node.id == change.id)
            nodes[change.id] = replace(nodes[change.id], **{field: getattr(new, field) for field in fields})
        for way in found.edges_changed:
            renamed = {"from": "source", "to": "target"}
            names = {renamed.get(top(inner), top(inner)) for inner in way.changes}
            other: Edge = next(one for one in after.edges if one.id == way.id)
            edges[way.id] = replace(edges[way.id], **{name: getattr(other, name) for name in names})
        assert nodes == {node.id: node for node in after.nodes}
        assert edges == {one.id: one for one in after.edges}
